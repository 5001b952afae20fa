import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { newId } from '#lib/contracts/ids';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { mintToken } from '#lib/devstack/mint-token';
import { ConversationEndStorePort } from '#lib/scores/ends/conversation-end-store.port';
import { eventually } from '#lib/testing/eventually';
import { bootGateway, closeGateways, SECRET } from '../memory-gateway.contract.js';

const logLines: Record<string, unknown>[] = [];
let gateway: NestFastifyApplication;
beforeEach(async () => {
  logLines.length = 0;
  gateway = await bootGateway({ logTo: logLines });
});
afterEach(closeGateways);

type By = { user?: string; scopes?: readonly 'service'[] };

const post = async (path: string, body: unknown, { user = 'alice', scopes = [] }: By = {}) => {
  const token = await mintToken(SECRET, { user, scopes });
  const payload = typeof body === 'string' ? body : JSON.stringify(body);
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const answer = await gateway.getHttpAdapter().getInstance().inject({ method: 'POST', url: path, headers, payload });
  return { status: answer.statusCode, body: JSON.parse(answer.body) as Record<string, unknown> };
};
const log = [
  { role: 'user', content: 'Chào bạn, hôm nay thế nào?' },
  { role: 'bot', content: 'Great, and you?' },
];
const ended = { conversationId: 'robot-7', userId: 'alice', startTime: '2026-01-31T09:00:00Z', endTime: '2026-01-31T09:30:00Z' };
const end = (changes: object = {}, by: By = {}) => post('/v1/conversations/end', { ...ended, ...changes }, by);
const store = () => gateway.get<ConversationEndStorePort>(ConversationEndStorePort, { strict: false });

describe('POST /v1/conversations/end', () => {
  it('accepts an end with its log, keeps the log and announces it', async () => {
    const { status, body } = await end({ conversationLog: log });
    expect([status, body]).toEqual([202, { eventId: body['eventId'], conversationId: 'robot-7', status: 'accepted' }]);
    expect(await store().find(body['eventId'] as string)).toMatchObject({ userId: 'alice', log: { state: 'staged' } });
    expect(gateway.get<MemoryOutbox>(MemoryOutbox, { strict: false }).events.map(({ type }) => type)).toContain('conversation.ended');
  });

  it('writes into its log line how long it took, in all and in Postgres', async () => {
    await end({ conversationLog: log });
    const line = logLines.find(({ route }) => route === '/v1/conversations/end');
    expect(line).toMatchObject({ conversationId: 'robot-7', total_time_ms: expect.any(Number), db_time_ms: expect.any(Number) });
    expect(line?.['total_time_ms']).toBeGreaterThanOrEqual(line?.['db_time_ms'] as number);
    expect(JSON.stringify(logLines)).not.toContain('hôm nay');
  });

  it('answers the same body with the same event, and another body with a timestamp', async () => {
    const first = await end({ conversationLog: log });
    expect((await end({ conversationLog: log })).body).toEqual(first.body);
    const other = await end({ conversationLog: log.slice(1) });
    expect(other.status).toBe(202);
    expect(other.body['eventId']).toMatch(/^[0-9a-f-]{36}_\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('ends a conversation of Parley with its messages', async () => {
    const { body: conversation } = await post('/v1/conversations', { memberIds: ['bob'] });
    const conversationId = conversation['id'] as string;
    for (const content of ['hi', 'there']) await post(`/v1/conversations/${conversationId}/messages`, { content });
    const { status, body } = await end({ conversationId: conversationId.toUpperCase() });
    expect([status, body['conversationId']]).toEqual([202, conversationId]);
    expect((await store().find(body['eventId'] as string))?.messages).toEqual({ fromSeq: 1, throughSeq: 2 });
    expect((await end({ conversationId, userId: 'carol' }, { user: 'carol' })).status).toBe(404);
    expect((await end({ conversationId, userId: 'carol', conversationLog: log }, { user: 'carol' })).status).toBe(404);
  });

  it('ends for another user only with the scope service', async () => {
    expect(await end({ conversationLog: log }, { user: 'bob' })).toMatchObject({ status: 404, body: { code: 'not-found' } });
    expect((await end({ conversationLog: log }, { user: 'robot', scopes: ['service'] })).status).toBe(202);
  });

  it.each<[string, object, number, string | undefined]>([
    ['no user', { userId: undefined }, 400, '/userId'],
    ['a time that is none', { endTime: 'yesterday' }, 400, '/endTime'],
    ['an end that its offset puts into the year 10000', { endTime: '9999-12-31T23:59:59-23:59' }, 400, '/endTime'],
    ['a start before the year 1', { startTime: '0001-01-01T00:00:00+23:59' }, 400, '/startTime'],
    [
      'an entry of no year',
      { conversationLog: [{ role: 'user', content: 'x', at: '0000-12-31T00:00:00Z' }] },
      400,
      '/conversationLog/0/at',
    ],
    ['an end before its start', { endTime: '2026-01-30T09:00:00Z' }, 400, '/endTime'],
    ['another role', { conversationLog: [{ role: 'system', content: 'x' }] }, 400, '/conversationLog/0/role'],
    ['a text without a visible character', { conversationLog: [{ role: 'user', content: ' ' }] }, 400, '/conversationLog/0/content'],
    ['a field that is not known', { mood: 'good' }, 400, '/mood'],
    ['no log of a conversation of another system', {}, 400, '/conversationLog'],
    ['an empty log', { conversationLog: [] }, 400, '/conversationLog'],
    ['an unknown conversation of Parley', { conversationId: newId() }, 404, undefined],
  ])('refuses %s', async (_, changes, status, pointer) => {
    const answer = await end(changes);
    expect(answer.status).toBe(status);
    expect((answer.body['errors'] as { pointer: string }[] | undefined)?.[0]?.pointer).toBe(pointer);
  });

  it('refuses a body that is no JSON, or none', async () => {
    expect(await post('/v1/conversations/end', '{"a":')).toMatchObject({ status: 400, body: { detail: 'The body is not valid JSON.' } });
    expect(await post('/v1/conversations/end', '')).toMatchObject({ status: 400, body: { detail: 'The body is missing.' } });
  });

  it('takes a body of 10 MB, and refuses one byte more', { timeout: 90_000 }, async () => {
    const content = 'quán cà phê '.repeat(8_000);
    const entries = Math.floor(10_300_000 / (Buffer.byteLength(content) + 40));
    const large = JSON.stringify({ ...ended, conversationLog: Array.from({ length: entries }, () => ({ role: 'user', content })) });
    const size = (bytes: number) => large + ' '.repeat(bytes - Buffer.byteLength(large));
    // The same body again is the same end; its deadline may be over before a busy machine has read it.
    await eventually(async () => expect((await post('/v1/conversations/end', size(10_485_760))).status).toBe(202), { timeoutMs: 60_000 });
    expect((await post('/v1/conversations/end', size(10_485_761))).status).toBe(413);
  });
});
