import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { JobAccepted } from '#lib/contracts/jobs';
import { adminSections, type AdminSectionName } from '#lib/contracts/admin-live';
import { pipeline } from '#lib/contracts/pipeline';
import { projectRoot } from '#lib/devstack/project-root';
import { AdminReader } from '#lib/testing/admin-reader';
import { eventually } from '#lib/testing/eventually';
import { metricsOf } from '#lib/testing/metrics-of';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { SocketClient } from '#lib/testing/socket-client';
import { REFUSED, refuseItsSignals } from './refused-message.js';

/** Long enough for a machine with other work. */
const WITHIN = { timeoutMs: 30_000, everyMs: 100 };

let parley: RunningParley;
let alice: ParleyClient;
let admin: ParleyClient;
let database: Client;
/** The job of an erasure, which takes twenty seconds: it runs beside the other tests. */
let erasure: string;
/** Messages that became dead letters beside the other tests too: two tries more take six seconds. */
let refused: readonly string[];

const QUEUE = 'scoring.messages';

beforeAll(async () => {
  const env = { CONSISTENCY_GRACE_MS: '0', NIGHTLY_AT: new Date().toISOString().slice(11, 16) };
  parley = await startParley({ stack: inject('stack'), embedded: true, env });
  [alice, admin] = await Promise.all([parley.client('alice'), parley.client('operator', ['admin'])]);
  database = new Client({ connectionString: parley.databaseUrl, query_timeout: 10_000 });
  await database.connect();
  erasure = await eraseCarol();
  await refuseItsSignals(database);
  const { id } = await alice.createConversation({ memberIds: [] });
  refused = (await Promise.all([1, 2].map(() => alice.send(id, REFUSED)))).map((message) => message.id);
});
afterAll(async () => {
  await database?.end();
  await parley?.stop();
});

const eraseCarol = async (): Promise<string> => {
  const carol = await parley.client('carol');
  const { id: conversationId } = await carol.createConversation({ memberIds: ['alice'] });
  const { id } = await carol.send(conversationId, 'a canary that is to be forgotten');
  await eventually(async () => expect((await carol.message(id)).pipeline).toMatchObject({ embedding: 'done', scoring: 'done' }), WITHIN);
  return JobAccepted.parse((await admin.request('DELETE', '/v1/users/carol/data')).body).jobId;
};

const asked = async (path: string, client = admin) => (await client.request('GET', path)).body as Record<string, unknown>;

describe('what operators ask one process', () => {
  it('health names the parts that stand for servers, and the console hears the mode', async () => {
    const { status, checks } = (await asked('/v1/health')) as { status: string; checks: Record<string, { status: string }> };
    const states = Object.fromEntries(Object.entries(checks).map(([name, check]) => [name, check.status]));
    expect({ status, ...states }).toEqual({
      status: 'ok',
      postgres: 'ok',
      rabbitmq: 'ok',
      redis: 'ok',
      chroma: 'ok',
      embedder: 'ok',
      objectStore: 'ok',
      pipeline: 'ok',
      llm: 'not_configured',
    });
    expect(await asked('/console.json')).toMatchObject({ mode: 'embedded' });
    expect((await fetch(`${parley.realtime.url}/readyz`)).status).toBe(200);
  });

  it('the queues have the names of the pipeline, each with its consumer', async () => {
    const { items, unknownQueues } = (await asked('/v1/admin/queues')) as {
      items: { name: string; consumers: number; paused: boolean }[];
      unknownQueues: number;
    };
    expect(items.map(({ name, consumers, paused }) => [name, consumers, paused])).toEqual(
      Object.keys(pipeline).map((name) => [name, 1, false]),
    );
    expect(unknownQueues).toBe(0);
  });

  it('one process answers for all apps: breakers, what is in hand, alerts, and advice that says how little it sees', async () => {
    const { items } = (await asked('/v1/admin/breakers')) as { items: { app: string; dependency: string }[] };
    expect(new Set(items.map(({ app }) => app))).toEqual(new Set(['standalone']));
    const inFlight = (await asked('/v1/admin/in-flight')) as { items: { app: string; pools: { name: string }[] }[] };
    expect(inFlight.items).toMatchObject([{ app: 'standalone', silent: false }]);
    expect(inFlight.items[0]?.pools.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['postgres.sends', 'postgres.journal', 'postgres.work']),
    );
    expect((await admin.request('GET', '/v1/admin/alerts')).status).toBe(200);
    const advice = (await asked('/v1/admin/scaling-advice')) as { seesOnlyItself: boolean; items: { action: string; reason: string }[] };
    expect(advice).toMatchObject({ seesOnlyItself: true });
    expect(new Set(advice.items.map(({ action }) => action))).toEqual(new Set(['none']));
    expect((await admin.request('GET', '/v1/admin/outbox')).status).toBe(200);
  });

  it('a comparison finds vectors that are gone, and a repair makes them anew', async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    const message = await alice.send(conversationId, 'a lighthouse that is repaired');
    await eventually(async () => expect((await alice.message(message.id)).pipeline.embedding).toBe('done'), WITHIN);
    await database.query('delete from embedded.vectors where message_id = $1', [message.id]);
    expect((await admin.request('POST', '/v1/admin/consistency/repair')).status).toBeLessThan(300);
    await eventually(async () => {
      const { rows } = await database.query('select from embedded.vectors where message_id = $1', [message.id]);
      expect(rows).toHaveLength(1);
    }, WITHIN);
  });
});

describe('a dead letter of one process', () => {
  const order = (verb: 'replay' | 'discard', more: object) =>
    admin.request('POST', `/v1/admin/dead-letters/${verb}`, { queue: QUEUE, ...more });
  const letters = async () =>
    (await asked(`/v1/admin/dead-letters?queue=${QUEUE}`))['items'] as { id: string; messageId: string; attempts: number }[];

  it('is listed with its reason, counted, and told of as an alert', async () => {
    await eventually(async () => expect(await letters()).toHaveLength(2), WITHIN);
    for (const { id, attempts } of await letters()) {
      expect(attempts).toBe(3);
      expect(JSON.stringify(await asked(`/v1/admin/dead-letters/${id}?queue=${QUEUE}`))).toContain('refused by the test');
    }
    const { items } = (await asked('/v1/admin/queues')) as { items: { name: string; deadLetters: number }[] };
    expect(items.find(({ name }) => name === QUEUE)?.deadLetters).toBe(2);
    await eventually(async () => {
      const report = (await asked('/v1/admin/alerts')) as { items: { alert: string; labels: Record<string, string>; state: string }[] };
      expect(report.items).toContainEqual(
        expect.objectContaining({ alert: 'DeadLetters', state: 'firing', labels: { queue: `${QUEUE}.dlq` } }),
      );
    }, WITHIN);
  });

  it('is discarded or replayed by order, and its message follows', async () => {
    const [first, second] = await letters();
    expect((await order('replay', { all: true, dryRun: true })).body).toMatchObject({ done: 2, dryRun: true });
    expect((await order('discard', { ids: [first?.id] })).body).toMatchObject({ done: 1, remaining: 0 });
    await database.query('drop trigger refuse_signals on message_signals');
    expect((await order('replay', { ids: [first?.id, second?.id] })).body).toMatchObject({ done: 1, notFound: [first?.id] });
    expect(await letters()).toEqual([]);
    const states = async () => Promise.all(refused.map(async (id) => (await alice.message(id)).pipeline.scoring));
    await eventually(async () => expect((await states()).toSorted()).toEqual(['done', 'failed']), WITHIN);
  });
});

it('the way of a message names the apps that it passed', async () => {
  const [id = ''] = refused;
  const { steps } = (await asked(`/v1/admin/traces/${id}`)) as { steps: { who: string }[] };
  expect(steps.map(({ who }) => who)).toEqual(expect.arrayContaining(['embedding', 'delivery', 'scoring']));
});

it('a night is made up for: users are scored again by events of a queue of their own', async () => {
  const user = await parley.client('nina');
  const ended = await user.request('POST', '/v1/conversations/end', {
    conversationId: 'robot-night',
    userId: 'nina',
    startTime: '2026-01-31T09:00:00Z',
    endTime: '2026-01-31T09:30:00Z',
    conversationLog: Array.from({ length: 4 }, (_, i) => ({ role: 'user', content: `what is this, number ${i}?` })),
  });
  expect(ended.status).toBe(202);
  await eventually(async () => expect(await asked('/v1/friendship_status/nina', user)).toMatchObject({ version: 1 }), WITHIN);
  // The night of the start had no users.
  await database.query('delete from nightly_runs');
  const rescored = async () => (await metricsOf(parley.url)).get('event_attempts_total{queue="scoring.rescores",outcome="done"}') ?? 0;
  await eventually(async () => expect(await rescored()).toBeGreaterThan(0), WITHIN);
  expect(await asked('/v1/friendship_status/nina', user)).toMatchObject({ version: 1 });
});

describe('what users do with one process', () => {
  it('a socket makes its user present, and hears what is sent over REST', async () => {
    const socket = await SocketClient.connect(parley.realtime.url, await parley.tokenOf({ user: 'bob' }));
    const { id: conversationId } = await alice.createConversation({ memberIds: ['bob'] });
    await eventually(async () => expect(JSON.stringify(await asked('/v1/presence?userIds=bob', alice))).toContain('"online":true'), WITHIN);
    await alice.send(conversationId, 'do you hear me?');
    await eventually(() => expect(JSON.stringify(socket.frames)).toContain('do you hear me?'), WITHIN);
    await socket.close();
  });

  it('a message of high priority is searchable when its sender is answered', async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    const sent = await alice.request('POST', `/v1/conversations/${conversationId}/messages`, {
      content: 'zeppelins at once',
      priority: 'high',
    });
    expect(sent.status).toBeLessThan(300);
    expect((await alice.search({ q: 'zeppelins at once', mode: 'dense', conversationId })).items).toHaveLength(1);
  });

  it('the end of a conversation raises a score, and its log goes into the folder of objects', async () => {
    const answer = await alice.request('POST', '/v1/conversations/end', {
      conversationId: 'robot-1',
      userId: 'alice',
      startTime: '2026-01-31T09:00:00Z',
      endTime: '2026-01-31T09:30:00Z',
      conversationLog: Array.from({ length: 4 }, (_, i) => ({ role: 'user', content: `what is this, number ${i}?` })),
    });
    expect(answer.status).toBe(202);
    await eventually(
      async () => expect(await asked('/v1/friendship_status/alice', alice)).toMatchObject({ score: 12, version: 1 }),
      WITHIN,
    );
    const folder = fileURLToPath(parley.environment['OBJECT_STORE_URL'] ?? '');
    await eventually(
      async () => expect((await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.gz')).length).toBeGreaterThan(0),
      WITHIN,
    );
  });

  it('a document is cut, indexed and found', async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    const content = `${'Every tenant keeps this paper. '.repeat(200)}\n\n${'The zeppelin hangar is closed on Sundays. '.repeat(20)}`;
    const { body } = await alice.request('POST', '/v1/documents', { conversationId, title: 'Rules', content });
    const { id } = body as { id: string };
    await eventually(async () => expect(await asked(`/v1/documents/${id}`, alice)).toMatchObject({ state: 'done' }), WITHIN);
    const { items } = await alice.search({ q: 'zeppelin hangar on Sundays', mode: 'dense', conversationId });
    expect(items[0]).toMatchObject({ kind: 'document' });
  });

  it('an erased user has no vector and no message text any more', async () => {
    await eventually(async () => expect(await asked(`/v1/jobs/${erasure}`)).toMatchObject({ status: 'done' }), {
      ...WITHIN,
      timeoutMs: 45_000,
    });
    const { rows } = await database.query(
      `select (select count(*)::int from embedded.vectors where sender_id = 'carol') as vectors,
              (select count(*)::int from messages where content like '%canary%') as texts`,
    );
    expect(rows).toEqual([{ vectors: 0, texts: 0 }]);
  });

  it('one page of metrics has those of all apps', async () => {
    const metrics = await (await fetch(`${parley.url}/metrics`)).text();
    for (const name of ['http_request_duration_seconds', 'ws_connections', 'event_attempts_total', 'outbox_pending', 'queue_length'])
      expect(metrics).toContain(`\n${name}`);
  });
});

it('the admin stream knows every section, with rates of the queues and one process that gives no room for advice', async () => {
  const reader = await AdminReader.open(parley.url, await parley.tokenOf({ user: 'olga', scopes: ['admin'] }));
  const names = Object.keys(adminSections) as AdminSectionName[];
  await eventually(() => expect(names.filter((name) => reader.picture[name]?.state !== 'known')).toEqual([]), WITHIN);
  await eventually(
    () => expect(reader.known('queues').items.find(({ name }) => name === 'embedding.messages')?.handledPerSecond).not.toBeNull(),
    WITHIN,
  );
  expect(reader.known('processes').items.map(({ service, ready }) => [service, ready])).toEqual([['standalone', true]]);
  await eventually(() => expect(reader.known('advice').items[0]?.reason).toContain('beside which there can be no other'), WITHIN);
  await reader.close();
});

describe('what one process refuses', () => {
  it.each([
    ['a second one on the same database', {}, /another Parley in one process works on this database/],
    ['several workers', { WEB_CONCURRENCY: '2' }, /WEB_CONCURRENCY: the embedded mode is one process/],
  ])('%s', async (_, env, says) => {
    const child = spawn(process.execPath, [join(projectRoot, 'dist/apps/standalone/src/main.js')], {
      env: { ...parley.environment, PORT: '0', REALTIME_PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    expect({ code, output }).toEqual({ code: 78, output: expect.stringMatching(says) });
  });
});
