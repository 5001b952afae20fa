import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type Channel, type ChannelModel, connect, type Options } from 'amqplib';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import type { MessageView } from '#lib/contracts/http';
import { newId } from '#lib/contracts/ids';
import { EVENTS_EXCHANGE } from '#lib/contracts/pipeline';
import { eventually } from '#lib/testing/eventually';
import { metricsOf } from '#lib/testing/metrics-of';
import type { Answer, ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { SocketClient } from '#lib/testing/socket-client';

// Family S16: forged events of a client that may publish. What an event says is compared with Postgres before it has an effect.

const SECRET = 'the zeppelin leaves at dawn';

let parley: RunningParley;
let alice: ParleyClient;
let mallory: ParleyClient;
let message: MessageView;
let foreign: string;
let broker: ChannelModel;
let channel: Channel;

beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
  [alice, mallory] = await Promise.all([parley.client('alice'), parley.client('mallory')]);
  foreign = (await mallory.createConversation({ memberIds: [] })).id;
  broker = await connect(parley.rabbitmqUrl, { timeout: 5_000 });
  channel = await broker.createChannel();
});
afterAll(async () => {
  await broker?.close();
  await parley?.stop();
});

// A message and a conversation for each attack: what one of them destroys must not hide the next.
beforeEach(async () => {
  message = await alice.send((await alice.createConversation({ memberIds: [] })).id, SECRET);
  await untilEmbedded(message.id);
});

const untilEmbedded = (id: string) =>
  eventually(async () => expect((await alice.message(id)).pipeline.embedding).toBe('done'), { timeoutMs: 20_000 });

/** A well-formed event about Alice's message, but for what is changed in it. */
const forged = (type: string, data: object = {}, envelope: object = {}) => ({
  eventId: newId(),
  type,
  version: 1,
  occurredAt: new Date().toISOString(),
  conversationId: message.conversationId,
  ...envelope,
  data: {
    messageId: message.id,
    conversationId: message.conversationId,
    seq: message.seq,
    senderId: message.senderId,
    version: 1,
    createdAt: message.createdAt,
    ...data,
  },
});

const publish = (routingKey: string, body: unknown, options: Options.Publish = {}) => {
  const content = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  channel.publish(EVENTS_EXCHANGE, routingKey, content, {
    contentType: 'application/json',
    type: routingKey,
    messageId: randomUUID(),
    headers: { 'x-schema-version': 1 },
    ...options,
  });
};

/** RabbitMQ closes the channel of what is too large for it. */
const publishOnItsOwn = async (content: Buffer) => {
  const doomed = await broker.createChannel();
  const refused = once(doomed, 'error', { signal: AbortSignal.timeout(10_000) });
  doomed.publish(EVENTS_EXCHANGE, 'message.created', content);
  const [error] = (await refused) as [Error];
  if (!error.message.includes('larger than configured max size')) throw error;
};

/** Everything that was published before is handled when a message that came after it is. */
const untilAllHandled = async () => untilEmbedded((await alice.send(message.conversationId, `a marker, ${randomUUID()}`)).id);

const deleted = (version: number) => forged('message.deleted', { version, deletedAt: new Date().toISOString() });
const edited = (more: object) =>
  forged('message.edited', { version: 2, content: 'mallory was here', editedAt: new Date().toISOString(), ...more });

it.each<[name: string, attack: () => void | Promise<void>]>([
  ['a deletion with the highest version there is', () => publish('message.deleted', deleted(2_147_483_647))],
  ['a deletion with a version beyond that', () => publish('message.deleted', deleted(2 ** 53))],
  ['a deletion with the next version', () => publish('message.deleted', deleted(2))],
  ['an edit that never was', () => publish('message.edited', edited({}))],
  ['an edit far ahead', () => publish('message.edited', edited({ version: 1_000_000 }))],
  ['a creation with another text', () => publish('message.created', forged('message.created', { content: 'mallory was here' }))],
  [
    'a creation of it in a conversation of hers',
    () =>
      publish(
        'message.created',
        forged(
          'message.created',
          { content: SECRET, conversationId: foreign, senderId: 'mallory', version: 9 },
          { conversationId: foreign },
        ),
      ),
  ],
  [
    'an envelope of hers around it',
    () => publish('message.edited', forged('message.edited', { ...edited({}).data }, { conversationId: foreign })),
  ],
  ['an order to rebuild it from nothing', () => publish('vectors.rebuild', forged('vectors.rebuild', { version: 5, content: null }))],
  [
    'an order to rebuild it from another text',
    () => publish('vectors.rebuild', forged('vectors.rebuild', { content: 'mallory was here' })),
  ],
  [
    'a message that there is not',
    () => publish('message.created', forged('message.created', { messageId: newId(), content: 'mallory was here' })),
  ],
  ['a prototype', () => publish('message.created', Buffer.from('{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"x":1}}}'))],
  ['no JSON', () => publish('message.created', Buffer.from('{{{{'))],
  ['1.5 MB that no consumer parses', () => publish('message.created', Buffer.alloc(1_500_000, 0x5b))],
  ['8 MB that RabbitMQ itself refuses', () => publishOnItsOwn(Buffer.alloc(8_000_000, 0x5b))],
  [
    'headers that count',
    () => publish('message.deleted', deleted(3), { headers: { 'x-attempt': 1e9, 'x-death': [{ count: 1e9 }], 'x-schema-version': 1 } }),
  ],
  [
    'headers of 60 KB',
    () => publish('message.edited', edited({}), { headers: { traceparent: 'a'.repeat(60_000), 'x-schema-version': 1 } }),
  ],
  ['a version of the schema to come', () => publish('message.created', { ...forged('message.created', { content: 'x' }), version: 99 })],
])('a forged event changes nothing about a message of another user: %s', async (_, attack) => {
  await attack();
  await untilAllHandled();
  expect(await alice.message(message.id)).toMatchObject({ content: SECRET, version: 1, pipeline: { embedding: 'done' } });
  const found = async (client: ParleyClient, q: string) =>
    (await client.search({ q, mode: 'dense', limit: 50 })).items.filter(({ message: hit }) => hit.id === message.id).length;
  expect(await found(alice, SECRET)).toBe(1);
  expect(await found(mallory, SECRET)).toBe(0);
  expect(await found(mallory, 'mallory was here')).toBe(0);
});

it('embedding answers a request for vectors only over the direct reply queue of RabbitMQ', async () => {
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const answers: unknown[] = [];
  await channel.consume(queue, (answer) => void answers.push(answer), { noAck: true });
  const question = forged('message.created', { content: SECRET });
  for (const replyTo of [queue, 'embedding.messages', 'embedding.messages.dlq']) {
    channel.sendToQueue('embedding.requests', Buffer.from(JSON.stringify(question)), { replyTo, correlationId: randomUUID() });
  }
  channel.sendToQueue('embedding.requests', Buffer.alloc(1_500_000, 0x5b), { replyTo: queue, correlationId: randomUUID() });
  await untilAllHandled();
  expect(answers).toEqual([]);
});

describe('a forged order to erase a user', () => {
  const erased = (userId: string, jobId: string) => ({
    ...forged('user.erased', {}, { conversationId: null }),
    data: { conversationId: null, userId, jobId },
  });
  const idOf = (answer: Answer) => (answer.body as { jobId: string }).jobId;

  it('erases nothing without the job of an administrator about this user', async () => {
    const admin = await parley.client('root', ['admin']);
    const endless = { startTime: message.createdAt, endTime: message.createdAt, conversationLog: [{ role: 'user', content: 'hello' }] };
    await alice.request('POST', '/v1/conversations/end', { conversationId: 'robot-1', userId: 'alice', ...endless });
    const ofOther = idOf(await admin.request('DELETE', '/v1/users/nemo/data'));
    const ofOtherKind = idOf(
      await alice.request('POST', '/v1/friendship_status/calculate-score-and-update', { conversationId: 'robot-1' }),
    );
    const forgeries = [newId(), ofOther, ofOtherKind, message.id];
    expect(forgeries.every((jobId) => typeof jobId === 'string')).toBe(true);
    for (const jobId of forgeries) publish('user.erased', erased('alice', jobId));
    // An order of its own comes after them in the same queue, which takes one at a time.
    const marker = idOf(await admin.request('DELETE', '/v1/users/ghost/data'));
    await eventually(async () => expect((await admin.request('GET', `/v1/jobs/${marker}`)).body).toMatchObject({ status: 'running' }), {
      timeoutMs: 20_000,
    });
    expect(await alice.message(message.id)).toMatchObject({ content: SECRET, version: 1, pipeline: { embedding: 'done' } });
    expect((await alice.request('GET', '/v1/conversations?limit=1')).body).toMatchObject({ items: [{}] });
    expect((await alice.search({ q: SECRET, mode: 'dense', limit: 50 })).items.some(({ message: hit }) => hit.id === message.id)).toBe(
      true,
    );
  });
});

it('a forged score is shown to no user', async () => {
  // A user without ends: the real score of another one may be on its way still.
  const user = `zoe-${newId()}`;
  const zoe = await parley.client(user);
  const { id } = await zoe.createConversation({ memberIds: [] });
  const socket = await SocketClient.connect(parley.realtime.url, await parley.tokenOf({ user }));
  const ignored = async () => (await metricsOf(parley.delivery.url)).get('delivery_ignored_total{type="score.updated"}') ?? 0;
  const before = await ignored();
  const claimed = { userId: user, scoreChange: 9_000, score: 9_000, level: 'friend', degraded: false, version: 1 };
  const facts = { ...claimed, endId: newId(), conversationId: 'robot-7', updatedAt: new Date().toISOString() };
  publish('score.updated', { ...forged('score.updated', {}, { conversationId: 'robot-7' }), data: facts });
  await eventually(async () => expect(await ignored()).toBeGreaterThan(before), { timeoutMs: 20_000 });
  await zoe.send(id, 'a marker');
  await eventually(() => expect(socket.frames.some(({ type }) => type === 'message.created')).toBe(true), { timeoutMs: 20_000 });
  expect(socket.frames.filter(({ type }) => type === 'score.updated')).toEqual([]);
  socket.socket.terminate();
});

it('embedding is still the same process, with the queue drained', async () => {
  await untilAllHandled();
  const { messageCount } = await channel.checkQueue('embedding.messages');
  expect(messageCount).toBe(0);
  expect(await parley.logOf('embedding')).not.toContain('uncaught error');
});
