import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { adminSections, type AdminSectionName, MessageTrace } from '#lib/contracts/admin-live';
import { type PrivateStack, startPrivateStack } from '#lib/devstack/private-stack';
import { signal } from '#lib/devstack/process/process-identity';
import { AdminReader } from '#lib/testing/admin-reader';
import { eventually } from '#lib/testing/eventually';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { metricsOf } from '#lib/testing/metrics-of';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

let own: PrivateStack; // a RabbitMQ that may be killed
let chroma: FaultProxy;
let parley: RunningParley;

beforeAll(async () => {
  const stack = inject('stack');
  own = await startPrivateStack({ only: ['rabbitmq'] });
  chroma = await FaultProxy.before(stack.chromaUrl);
  parley = await startParley({
    stack: { ...stack, rabbitmqUrl: own.rabbitmqUrl, rabbitmqManagementUrl: own.rabbitmqManagementUrl },
    via: { CHROMA_URL: (url) => chroma.through(url) },
  });
}, 120_000);
afterAll(async () => {
  await parley?.stop();
  await chroma?.stop();
  await own?.stop();
});

const tokenOf = (user = 'olga', ttlSeconds = 600) => parley.tokenOf({ user, scopes: ['admin'], ttlSeconds });
const reading = async (user?: string) => AdminReader.open(parley.url, await tokenOf(user));
const names = Object.keys(adminSections) as AdminSectionName[];

it('all sections arrive within two seconds, all known once ops has looked, and follow a message to its end, past the deadline of the route', async () => {
  const alice = await parley.client('alice');
  const { id: conversationId } = await alice.createConversation({ memberIds: [] });
  const first = await reading();
  await eventually(() => first.known('processes'), { timeoutMs: 30_000, what: 'ops has taken a round' });
  await first.close();

  const openedAt = performance.now();
  const reader = await reading();
  await eventually(() => expect(Object.keys(reader.picture).sort()).toEqual(names.toSorted()), { timeoutMs: 2_000 });
  await eventually(() => expect(names.filter((name) => reader.picture[name]?.state !== 'known')).toEqual([]), { timeoutMs: 10_000 });
  const services = () => reader.known('processes').items.map(({ service, ready }) => (ready ? service : 'silent'));
  await eventually(() => expect(services()).toEqual(['delivery', 'embedding', 'gateway', 'ops', 'realtime', 'scoring']));

  const { id } = await alice.send(conversationId, 'do not show what I say');
  await eventually(
    () =>
      expect(reader.known('messages').items.find((message) => message.id === id)).toMatchObject({
        conversationId,
        seq: 1,
        pipeline: { delivery: 'done', embedding: 'done', scoring: 'done' },
      }),
    { timeoutMs: 15_000 },
  );
  expect(JSON.stringify(reader.picture)).not.toContain('what I say');
  const olga = await parley.client('olga', ['admin']);
  const { body } = await olga.request('GET', `/v1/admin/traces/${id}`);
  const { steps } = MessageTrace.parse(body);
  expect(steps.map(({ who, isFailed }) => (isFailed ? 'failed' : who)).toSorted()).toEqual([
    'delivery',
    'embedding',
    'postgres',
    'scoring',
  ]);
  expect(steps[0]).toMatchObject({ who: 'postgres', what: 'stored as seq 1' });
  expect(JSON.stringify(body)).not.toContain('what I say');
  expect(await olga.request('GET', '/v1/admin/traces/nothing')).toMatchObject({ status: 404 });
  expect(await alice.request('GET', `/v1/admin/traces/${id}`)).toMatchObject({ status: 403 });
  await eventually(() => expect(reader.known('latencies').ack.p50.at(-1)).toBeGreaterThan(0), { timeoutMs: 20_000 });
  const embedding = () => reader.known('queues').items.find(({ name }) => name === 'embedding.messages');
  await eventually(() => expect(embedding()?.handledPerSecond).toBeGreaterThan(0), { timeoutMs: 20_000 });
  expect(embedding()).toMatchObject({ ready: 0, consumers: 1, paused: false, deadLetters: 0 });
  expect(reader.pictureLength).toBeLessThan(65_536);
  await eventually(() => expect(performance.now() - openedAt).toBeGreaterThan(7_000));
  expect(reader.failure).toBeUndefined();
  await reader.close();
});

it('with Chroma in a black hole its line says so, and the other sections stay fresh', async () => {
  await chroma.set({ kind: 'hang' });
  const reader = await reading();
  const line = () => reader.known('dependencies').items.find(({ name }) => name === 'chroma');
  await eventually(() => expect(line()).toMatchObject({ status: 'down' }), { timeoutMs: 15_000 });
  const alice = await parley.client('alice');
  const { id: conversationId } = await alice.createConversation({ memberIds: [] });
  const { id } = await alice.send(conversationId, 'seen at once');
  await eventually(() => expect(reader.known('messages').items[0]?.id).toBe(id), { timeoutMs: 3_000 });
  await eventually(
    () => {
      const ages = names.filter((name) => name !== 'flow').map((name) => Date.now() - Date.parse(reader.known(name).at));
      expect(Math.max(...ages)).toBeLessThan(19_000);
    },
    { timeoutMs: 10_000 },
  );
  const unknown = names.filter((name) => reader.picture[name]?.state !== 'known');
  expect(unknown).toEqual([]);
  await chroma.set({ kind: 'pass' });
  await eventually(() => expect(line()).toMatchObject({ status: 'ok' }), { timeoutMs: 20_000 });
  await reader.close();
});

it('a reader that does not read costs no memory, and others get their sections all the while', async () => {
  const { hostname, port } = new URL(parley.url);
  const silent = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const socket = connect(Number(port), hostname);
      await once(socket, 'connect');
      socket.pause();
      socket.write(`GET /v1/admin/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${await tokenOf('mute')}\r\n\r\n`);
      return socket;
    }),
  );
  const reader = await reading();
  const memory = async () => (await metricsOf(parley.gateway.url)).get('process_resident_memory_bytes') ?? 0;
  await eventually(() => expect(reader.counts.size).toBe(names.length));
  const before = await memory();
  // Each message is a new picture of the last fifty: 10 kB for each reader.
  const alice = await parley.client('alice');
  const { id: conversationId } = await alice.createConversation({ memberIds: [] });
  for (let i = 0; i < 8; i += 1) {
    const { id } = await alice.send(conversationId, 'hello');
    await eventually(() => expect(reader.known('messages').items[0]?.id).toBe(id), { timeoutMs: 3_000 });
  }
  expect((await memory()) - before).toBeLessThan(32 * 2 ** 20);
  for (const socket of silent) socket.destroy();
  await reader.close();
});

it('with RabbitMQ killed what is not known is unknown and not 0, and the rest goes on', async () => {
  const reader = await reading();
  await eventually(() => reader.known('alerts'), { timeoutMs: 10_000 });
  await own.rabbitmq.kill();
  await eventually(
    () => {
      const unknown = names.filter((name) => reader.picture[name]?.state === 'unknown');
      expect(unknown).toEqual(['processes', 'latencies', 'alerts', 'advice']);
      const { items } = reader.known('queues');
      for (const queue of items) {
        expect(queue).toMatchObject({ ready: null, consumers: null, deadLetters: null, publishedPerSecond: null, handledPerSecond: null });
      }
      const { items: dependencies, breakers } = reader.known('dependencies');
      expect(dependencies.find(({ name }) => name === 'rabbitmq')).toMatchObject({ status: 'down' });
      // Only those of the gateway are known: that none of them is open is no answer.
      expect(breakers).not.toEqual([]);
    },
    { timeoutMs: 20_000 },
  );
  const alice = await parley.client('alice');
  const { id: conversationId } = await alice.createConversation({ memberIds: [] });
  const { id } = await alice.send(conversationId, 'kept in the outbox');
  await eventually(() => expect(reader.known('outbox').pending).toBeGreaterThan(0));
  await eventually(() => expect(reader.known('messages').items[0]).toMatchObject({ id, pipeline: { embedding: 'pending' } }));

  await own.rabbitmq.start();
  await eventually(
    () => {
      expect(reader.known('messages').items[0]).toMatchObject({ id, pipeline: { embedding: 'done' } });
      expect(names.filter((name) => reader.picture[name]?.state !== 'known')).toEqual([]);
    },
    { timeoutMs: 60_000, what: 'everything is known again' },
  );
  await reader.close();
});

it('a reader without the scope admin is refused, and a stream ends with its token', async () => {
  await expect(AdminReader.open(parley.url, await parley.tokenOf({ user: 'alice', scopes: ['service'] }))).rejects.toThrow(/^403/);
  const reader = await AdminReader.open(parley.url, await tokenOf('short', 2));
  await reader.ended;
  expect(reader.goaway).toMatchObject({ reason: 'token-expired' });
});

it('a gateway that stops says goaway, and ends in order and in time with readers that do not read', async () => {
  const reader = await reading();
  const silent = await fetch(`${parley.url}/v1/admin/live`, { headers: { authorization: `Bearer ${await tokenOf('mute')}` } });
  await eventually(() => expect(reader.counts.size).toBeGreaterThan(5));
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  parley.gateway.onCrash(resolve);
  const startedAt = performance.now();
  signal(parley.gateway.pid ?? 0, 'SIGTERM');
  expect(await ended).toContain('exited with code 0');
  expect(performance.now() - startedAt).toBeLessThan(6_000);
  await reader.ended;
  expect(reader.goaway).toMatchObject({ reason: 'draining' });
  await silent.body?.cancel().catch(() => undefined);
});
