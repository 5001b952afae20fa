import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryRequester } from '#lib/bus/adapters/memory/memory-requester';
import { newId } from '#lib/contracts/ids';
import { SCORE_NOW_QUEUE } from '#lib/contracts/pipeline';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { mintToken } from '#lib/devstack/mint-token';
import { JobStorePort } from '#lib/jobs/job-store.port';
import type { EndScore } from '#lib/scores/friendship/friendship';
import { FriendshipStorePort } from '#lib/scores/friendship/friendship-store.port';
import { eventually } from '#lib/testing/eventually';
import { bootGateway, closeGateways, SECRET } from '../memory-gateway.contract.js';

let gateway: NestFastifyApplication;
beforeEach(async () => {
  gateway = await bootGateway();
});
afterEach(closeGateways);

type By = { user?: string; scopes?: readonly ('service' | 'admin')[] };
type Answer = { status: number; body: Record<string, unknown> };

const ask = async (method: 'GET' | 'POST', url: string, { user = 'alice', scopes = [] }: By = {}, body?: unknown): Promise<Answer> => {
  const authorization = `Bearer ${await mintToken(SECRET, { user, scopes })}`;
  const payload = body === undefined ? {} : { payload: JSON.stringify(body) };
  const headers = { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
  const answer = await gateway
    .getHttpAdapter()
    .getInstance()
    .inject({ method, url, headers, ...payload });
  return { status: answer.statusCode, body: JSON.parse(answer.body) as Record<string, unknown> };
};
const friendship = () => gateway.get<FriendshipStorePort>(FriendshipStorePort, { strict: false });
const requester = () => gateway.get(MemoryRequester, { strict: false });

const score = (worth: number): EndScore => ({
  endId: newId(),
  conversationId: 'robot-7',
  userId: 'alice',
  endedAt: new Date('2026-01-31T09:30:00.000Z'),
  scoringVersion: 1,
  worth,
  topics: ['music'],
  analysis: { userTurns: 6, userQuestions: 2, emotion: 'happy', memories: 0 },
  provenance: { provider: 'local', model: 'rules', promptVersion: 1 },
  fingerprint: 'a',
  reasons: ['+6: 6 turns of the user'],
});

/** A conversation of Parley in which alice said something. */
const started = async (): Promise<string> => {
  const { body } = await ask('POST', '/v1/conversations', {}, { memberIds: ['bob'] });
  await ask('POST', `/v1/conversations/${String(body['id'])}/messages`, {}, { content: 'What is the weather like?' });
  return String(body['id']);
};

describe('GET /v1/friendship_status/{userId}', () => {
  it('answers the default for a new user, and stores nothing', async () => {
    expect(await ask('GET', '/v1/friendship_status/alice')).toEqual({
      status: 200,
      body: { userId: 'alice', score: 0, level: 'stranger', topicMetrics: {}, version: 0, updatedAt: null, degraded: false },
    });
    expect((await friendship().compare(undefined, 10)).checked).toBe(0);
  });

  it('shows score, level and topics', async () => {
    await friendship().apply(score(120), 'unscored');
    const { body } = await ask('GET', '/v1/friendship_status/alice');
    const lastAt = '2026-01-31T09:30:00.000Z';
    expect(body).toMatchObject({
      score: 120,
      level: 'acquaintance',
      topicMetrics: { music: { conversations: 1, score: 120, lastAt } },
      version: 1,
    });
  });

  it('shows it to its user and to the scope service, and to any other that there is nothing', async () => {
    for (const path of ['/v1/friendship_status/alice', '/v1/friendship_status/alice/history']) {
      expect(await ask('GET', path, { user: 'bob' })).toMatchObject({ status: 404, body: { code: 'not-found' } });
      expect((await ask('GET', path, { user: 'bob', scopes: ['admin'] })).status).toBe(404);
      expect((await ask('GET', path, { user: 'robot', scopes: ['service'] })).status).toBe(200);
    }
  });

  it('shows the history page by page, newest first', async () => {
    for (let i = 1; i <= 5; i += 1) await friendship().apply(score(i), 'unscored');
    const first = await ask('GET', '/v1/friendship_status/alice/history?limit=2');
    expect(first.body).toMatchObject({
      items: [{ scoreChange: 5, score: 15, version: 5, topics: { music: 5 } }, { scoreChange: 4 }],
      nextCursor: '4',
    });
    const rest = await ask('GET', `/v1/friendship_status/alice/history?limit=100&cursor=${String(first.body['nextCursor'])}`);
    expect(rest.body).toMatchObject({ items: [{ scoreChange: 3 }, { scoreChange: 2 }, { scoreChange: 1 }], nextCursor: null });
    for (const query of ['limit=0', 'limit=101', 'cursor=x', 'cursor=-1', 'cursor=99999999999']) {
      expect((await ask('GET', `/v1/friendship_status/alice/history?${query}`)).status).toBe(400);
    }
  });
});

describe('POST /v1/friendship_status/calculate-score/{conversationId}', () => {
  const calculate = (conversationId: string, by: By = {}, query = '') =>
    ask('POST', `/v1/friendship_status/calculate-score/${conversationId}${query}`, by);
  const view = { scoreChange: 12, userQuestions: 1, emotion: 'happy', degraded: false, reasons: ['+12'] };

  it('answers what the scoring service says of a conversation that goes on, and changes nothing', async () => {
    const conversationId = await started();
    requester().respond(SCORE_NOW_QUEUE, async (question) => ({ score: { ...(question as { conversationId: string }), ...view } }));
    expect(await calculate(conversationId)).toEqual({ status: 200, body: { conversationId, ...view } });
    const events = gateway.get<MemoryOutbox>(MemoryOutbox, { strict: false }).events.map(({ type }) => type);
    expect(events).not.toContain('conversation.ended');
    expect((await friendship().find('alice')).version).toBe(0);
  });

  it('answers with the fallback when no process answers, or says nonsense', async () => {
    const conversationId = await started();
    const fallback = {
      conversationId,
      scoreChange: 0,
      userQuestions: 0,
      emotion: 'neutral',
      degraded: true,
      reasons: [expect.any(String)],
    };
    expect(await calculate(conversationId)).toEqual({ status: 200, body: fallback });
    requester().respond(SCORE_NOW_QUEUE, async () => ({ score: { scoreChange: 'many' } }));
    expect((await calculate(conversationId)).body).toEqual(fallback);
  });

  it('knows no conversation that the user is not in, and none of another system that did not end', async () => {
    const conversationId = await started();
    expect((await calculate(conversationId, { user: 'carol' })).status).toBe(404);
    expect((await calculate(newId())).status).toBe(404);
    expect((await calculate('robot-8')).status).toBe(404);
    expect((await calculate(conversationId, {}, '?userId=bob')).status).toBe(404);
    expect((await calculate(conversationId, { user: 'robot', scopes: ['service'] }, '?userId=bob')).status).toBe(200);
  });

  it('lets a caller wait for two answers at a time', async () => {
    const conversationId = await started();
    const { promise, resolve } = Promise.withResolvers<void>();
    let asked = 0;
    requester().respond(SCORE_NOW_QUEUE, async () => {
      asked += 1;
      await promise;
      return { score: { conversationId, ...view } };
    });
    const waiting = [calculate(conversationId), calculate(conversationId)];
    await eventually(() => expect(asked).toBe(2));
    expect(await calculate(conversationId)).toMatchObject({ status: 429, body: { code: 'rate-limited' } });
    const others = calculate(conversationId, { user: 'bob' });
    await eventually(() => expect(asked).toBe(3));
    resolve();
    expect((await Promise.all([...waiting, others])).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await calculate(conversationId)).status).toBe(200);
  });
});

describe('POST /v1/friendship_status/calculate-score-and-update', () => {
  const update = (conversationId: string, by: By = {}, userId?: string) =>
    ask('POST', '/v1/friendship_status/calculate-score-and-update', by, { conversationId, ...(userId && { userId }) });
  const outbox = () => gateway.get<MemoryOutbox>(MemoryOutbox, { strict: false }).events;

  it('ends a conversation that goes on, and starts a job that its owner can follow', async () => {
    const conversationId = await started();
    const { status, body } = await update(conversationId);
    expect([status, body]).toEqual([202, { jobId: expect.any(String) }]);
    const jobId = String(body['jobId']);
    const [ended, calculated] = ['conversation.ended', 'score.calculate'].map((wanted) => outbox().find(({ type }) => type === wanted));
    expect(calculated?.data).toMatchObject({ jobId, conversationId, userId: 'alice', endId: ended?.eventId });
    expect((await ask('GET', `/v1/jobs/${jobId}`)).body).toMatchObject({ id: jobId, kind: 'score', status: 'queued', result: null });
    await gateway.get<JobStorePort>(JobStorePort, { strict: false }).finish(jobId, { scoreChange: 3 });
    expect((await ask('GET', `/v1/jobs/${jobId}`)).body).toMatchObject({ status: 'done', result: { scoreChange: 3 } });
  });

  it('answers the open job again, and does not end the conversation twice', async () => {
    const conversationId = await started();
    const first = await update(conversationId);
    expect((await update(conversationId)).body).toEqual(first.body);
    expect(outbox().filter(({ type }) => type === 'score.calculate' || type === 'conversation.ended')).toHaveLength(2);
  });

  it('does it for other users only with the scope service', async () => {
    const conversationId = await started();
    expect((await update(conversationId, { user: 'carol' })).status).toBe(404);
    expect((await update(conversationId, { user: 'bob' }, 'alice')).status).toBe(404);
    expect((await update(conversationId, { user: 'robot', scopes: ['service'] }, 'alice')).status).toBe(202);
    expect((await update('robot-8')).status).toBe(404);
    expect((await update('not an id')).status).toBe(400);
  });
});

describe('GET /v1/jobs/{id}', () => {
  it('shows a job to its owner, to service and admin, and to any other that there is none', async () => {
    const { body } = await ask('POST', '/v1/friendship_status/calculate-score-and-update', {}, { conversationId: await started() });
    const path = `/v1/jobs/${String(body['jobId'])}`;
    for (const by of [{}, { user: 'robot', scopes: ['service'] }, { user: 'root', scopes: ['admin'] }] as const) {
      expect((await ask('GET', path, by)).status).toBe(200);
    }
    expect(await ask('GET', path, { user: 'bob' })).toMatchObject({ status: 404, body: { code: 'not-found' } });
    expect((await ask('GET', `/v1/jobs/${newId()}`)).status).toBe(404);
    expect((await ask('GET', '/v1/jobs/1')).status).toBe(400);
  });
});

describe('a service that names no user', () => {
  const service: By = { user: 'robot', scopes: ['service'] };
  const end = (user: string) =>
    ask(
      'POST',
      '/v1/conversations/end',
      { user },
      {
        conversationId: 'robot-9',
        userId: user,
        startTime: '2026-01-31T09:00:00Z',
        endTime: '2026-01-31T09:30:00Z',
        conversationLog: [{ role: 'user', content: 'Why is the moon grey?' }],
      },
    );
  const update = (by: By) => ask('POST', '/v1/friendship_status/calculate-score-and-update', by, { conversationId: 'robot-9' });

  it('means the user who ended the conversation', async () => {
    await end('alice');
    const { status, body } = await update(service);
    expect(status).toBe(202);
    expect(await gateway.get<JobStorePort>(JobStorePort, { strict: false }).find(String(body['jobId']))).toMatchObject({
      ownerId: 'alice',
    });
    expect((await ask('POST', '/v1/friendship_status/calculate-score/robot-9', service)).status).toBe(200);
    expect((await update({ user: 'bob' })).status).toBe(404);
  });

  it('must name one of several, and finds no conversation that no user ended', async () => {
    expect((await update(service)).status).toBe(404);
    for (const user of ['alice', 'bob']) await end(user);
    expect(await update(service)).toMatchObject({ status: 400, body: { errors: [{ pointer: '/userId' }] } });
  });
});
