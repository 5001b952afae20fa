import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { FriendshipStatusView } from '#lib/contracts/scores';
import { eventually } from '#lib/testing/eventually';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { ScriptedHttpServer } from '#lib/testing/scripted-http-server';
import { SocketClient } from '#lib/testing/socket-client';

/** The budget of the model and presence lie in a Redis that other tests use too. */
const run = newId().slice(-12);
const WITHIN = { timeoutMs: 60_000, everyMs: 200 };

const completion = {
  object: 'chat.completion',
  choices: [
    {
      index: 0,
      finish_reason: 'stop',
      message: { role: 'assistant', content: '{"userQuestions":2,"topics":["music"],"emotion":"happy"}' },
    },
  ],
  usage: { prompt_tokens: 10, completion_tokens: 10 },
};
/** What the model was asked, and what it waits for before it answers. */
let asked = 0;
let held: Promise<void> | undefined;

let model: ScriptedHttpServer;
let database: FaultProxy;
let parley: RunningParley;
beforeAll(async () => {
  const stack = inject('stack');
  model = await ScriptedHttpServer.start(async () => {
    asked += 1;
    await held;
    return { status: 200, body: completion };
  });
  database = await FaultProxy.before(stack.databaseUrl);
  parley = await startParley({
    stack,
    env: {
      LLM_PROVIDER: 'openai',
      LLM_BASE_URL: `${model.url}/v1`,
      LLM_MODEL: 'scripted',
      LLM_API_KEY: 'sk',
      LLM_REQUESTS_PER_MINUTE: '6000',
    },
    via: { DATABASE_URL: (url) => database.through(url) },
    twice: { scoring: {} },
  });
});
afterAll(async () => {
  await parley?.stop();
  await database?.stop();
  await model?.stop();
});
afterEach(() => {
  held = undefined;
});

const userOf = async (name: string) => ({ userId: `${name}-${run}`, client: await parley.client(`${name}-${run}`) });
type Own = Awaited<ReturnType<typeof userOf>>;

const end = async ({ client, userId }: Own, conversationId: string) => {
  const answer = await client.request('POST', '/v1/conversations/end', {
    conversationId,
    userId,
    startTime: '2026-01-31T09:00:00Z',
    endTime: '2026-01-31T09:30:00Z',
    conversationLog: Array.from({ length: 4 }, (_, i) => ({ role: 'user', content: `what is this, number ${i}?` })),
  });
  expect(answer.status).toBe(202);
};
const statusOf = async ({ client, userId }: Own) =>
  (await client.request('GET', `/v1/friendship_status/${userId}`)).body as FriendshipStatusView;
const historyOf = async ({ client, userId }: Own) =>
  ((await client.request('GET', `/v1/friendship_status/${userId}/history?limit=100`)).body as { items: { scoreChange: number }[] }).items;
const scored = (own: Own, count: number) =>
  eventually(async () => expect(await historyOf(own)).toHaveLength(count), { ...WITHIN, what: `${count} conversations are scored` });
/** 4 turns, 2 questions, and a mood of as many points as there were turns. */
const WORTH = 12;

const sql = async <Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> => {
  const client = new Client({ connectionString: parley.databaseUrl, connectionTimeoutMillis: 5_000, query_timeout: 5_000 });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
};

/** What was delivered, and published again by the relay, is handled when an end that comes after it is. */
const settled = async () => {
  const marker = await userOf(`marker-${newId().slice(-6)}`);
  await end(marker, 'marker');
  await scored(marker, 1);
};

describe('the end of a conversation', () => {
  it('raises the score of its user once, and its open sockets hear of it', async () => {
    const alice = await userOf('alice');
    const token = await parley.tokenOf({ user: alice.userId, scopes: [] });
    const socket = await SocketClient.connect(parley.realtime.url, token);
    await end(alice, 'robot-1');
    await end(alice, 'robot-1');
    await scored(alice, 1);
    await eventually(() => expect(socket.frames.filter(({ type }) => type === 'score.updated')).not.toEqual([]), WITHIN);
    expect(socket.frames.find(({ type }) => type === 'score.updated')).toMatchObject({
      userId: alice.userId,
      conversationId: 'robot-1',
      scoreChange: WORTH,
      score: WORTH,
      level: 'stranger',
      degraded: false,
      version: 1,
    });
    expect(await statusOf(alice)).toMatchObject({ score: WORTH, topicMetrics: { music: { conversations: 1, score: WORTH } }, version: 1 });
    socket.socket.close();
    await socket.closed;
  });

  it('counts once when both processes that analyse it are killed, and one comes back', async () => {
    const bob = await userOf('bob');
    const release = Promise.withResolvers<void>();
    held = release.promise;
    const before = asked;
    await end(bob, 'robot-2');
    await eventually(() => expect(asked).toBeGreaterThan(before), { ...WITHIN, what: 'the analysis runs' });
    await Promise.all([parley.scoring.kill(), parley.seconds.scoring?.kill()]);
    release.resolve();
    held = undefined;
    await Promise.all([parley.scoring.start(), parley.seconds.scoring?.start()]);
    await scored(bob, 1);
    await settled();
    expect(await statusOf(bob)).toMatchObject({ score: WORTH, version: 1 });
    expect(await historyOf(bob)).toHaveLength(1);
  });

  it('counts once when Postgres goes away between the analysis and the ack', async () => {
    const carol = await userOf('carol');
    const release = Promise.withResolvers<void>();
    held = release.promise;
    const before = asked;
    for (const id of ['robot-3', 'robot-4', 'robot-5']) await end(carol, id);
    await eventually(() => expect(asked).toBeGreaterThan(before), { ...WITHIN, what: 'the analyses run' });
    await database.set({ kind: 'reset' });
    release.resolve();
    held = undefined;
    // No commit can succeed now: what was analysed comes again, and the queue pauses.
    await eventually(async () => expect(await parley.logOf('scoring')).toMatch(/postgres/i), { ...WITHIN, what: 'Postgres is missed' });
    expect(await sql('SELECT FROM score_changes WHERE user_id = $1', [carol.userId])).toEqual([]);
    await database.set({ kind: 'pass' });
    await scored(carol, 3);
    await settled();
    expect(await statusOf(carol)).toMatchObject({ score: 3 * WORTH, version: 3, degraded: false });
    expect(await historyOf(carol)).toHaveLength(3);
  });

  it('counts once for each of 20 that two processes score at the same time, all of one user', async () => {
    const dave = await userOf('dave');
    // The breaker may still try Postgres after the outage of the test before, one call at a time: a refused caller asks again.
    await Promise.all(Array.from({ length: 20 }, (_, i) => eventually(() => end(dave, `robot-${i}`))));
    await scored(dave, 20);
    expect(await statusOf(dave)).toMatchObject({ score: 20 * WORTH, level: 'acquaintance', version: 20 });
    const [row] = await sql<{ topics: number; history: number }>(
      `SELECT (SELECT sum((metric.value ->> 'score')::int)::int FROM jsonb_each(topic_metrics) metric) AS topics,
              (SELECT sum(score_change)::int FROM score_changes WHERE user_id = $1) AS history
         FROM friendship_statuses WHERE user_id = $1`,
      [dave.userId],
    );
    expect(row).toEqual({ topics: 20 * WORTH, history: 20 * WORTH });
  });
});

describe('a conversation of Parley', () => {
  it('is scored on demand, and by a job that ends it first', async () => {
    const [erin, frank] = [await userOf('erin'), await userOf('frank')];
    const { id } = await erin.client.createConversation({ memberIds: [frank.userId] });
    for (let i = 0; i < 4; i += 1) await erin.client.send(id, `and what about number ${i}?`);
    const preview = await erin.client.request('POST', `/v1/friendship_status/calculate-score/${id}`);
    expect(preview).toMatchObject({
      status: 200,
      body: { conversationId: id, scoreChange: WORTH, userQuestions: 2, emotion: 'happy', degraded: false },
    });
    expect(await statusOf(erin)).toMatchObject({ score: 0, version: 0 });

    const started = await erin.client.request('POST', '/v1/friendship_status/calculate-score-and-update', { conversationId: id });
    expect(started.status).toBe(202);
    const { jobId } = started.body as { jobId: string };
    const job = async () => (await erin.client.request('GET', `/v1/jobs/${jobId}`)).body;
    await eventually(async () => expect(await job()).toMatchObject({ status: 'done', result: { scoreChange: WORTH } }), WITHIN);
    await settled();
    expect(await statusOf(erin)).toMatchObject({ score: WORTH, version: 1 });
    expect(await statusOf(frank)).toMatchObject({ score: 0 });
    expect((await frank.client.request('GET', `/v1/jobs/${jobId}`)).status).toBe(404);
  });
});
