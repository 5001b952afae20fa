import { createHmac } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as passing } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { InjectOptions } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryRequester } from '#lib/bus/adapters/memory/memory-requester';
import type { PipelineRows } from '#lib/bus/topology';
import { newId } from '#lib/contracts/ids';
import { EMBED_NOW_QUEUE, pipeline } from '#lib/contracts/pipeline';
import { Problem, problems } from '#lib/contracts/problems';
import { DeliveryLedgerPort } from '#lib/conversations/delivery-ledger.port';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import { MemoryArchive } from '#lib/conversations/adapters/memory-archive';
import { mintToken } from '#lib/devstack/mint-token';
import { eventually } from '#lib/testing/eventually';
import { LIMITERS, type Limiters } from '#lib/resilience/limit/limiters';
import { bootGateway, closeGateways, SECRET } from './memory-gateway.contract.js';

const logLines: Record<string, unknown>[] = [];
const boot = (env: Record<string, string> = {}): Promise<NestFastifyApplication> => bootGateway({ env, logTo: logLines });

let gateway: NestFastifyApplication;
let alice: string;
let bob: string;
beforeEach(async () => {
  logLines.length = 0;
  [alice, bob] = await Promise.all([mintToken(SECRET, { user: 'alice' }), mintToken(SECRET, { user: 'bob' })]);
  gateway = await boot();
});
afterEach(closeGateways);

type Json = Record<string, unknown>;
type Request = Omit<InjectOptions, 'headers'> & { token?: string | null; headers?: Record<string, string>; json?: unknown };
const call = async ({ token = alice, headers = {}, json, ...options }: Request, app = gateway) => {
  const request: InjectOptions = {
    ...options,
    ...(json === undefined ? {} : { payload: JSON.stringify(json) }),
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
  };
  const answer = await app.getHttpAdapter().getInstance().inject(request);
  const isJson = String(answer.headers['content-type']).includes('json');
  return { status: answer.statusCode, headers: answer.headers, text: answer.body, body: isJson ? (JSON.parse(answer.body) as Json) : {} };
};

const aConversation = async (memberIds: string[] = [], app = gateway): Promise<string> =>
  String((await call({ method: 'POST', url: '/v1/conversations', json: { memberIds } }, app)).body['id']);
const send = (conversationId: string, json: unknown, request: Request = {}, app = gateway) =>
  call({ method: 'POST', url: `/v1/conversations/${conversationId}/messages`, json, ...request }, app);
const messageCount = (): number => gateway.get(MemoryArchive, { strict: false }).places.size;
const itemsOf = ({ body }: { body: Json }): Json[] => body['items'] as Json[];

/** Where a new message stands with an app: an app without a row never handles it. */
const stageOf = (app: string) => (Object.values(pipeline as PipelineRows).some((row) => row.app === app) ? 'pending' : 'skipped');

describe('a send', () => {
  it('is accepted with its seq, its place, and where it stands', async () => {
    const conversationId = await aConversation(['bob']);
    const answer = await send(conversationId, { content: 'Xin chào', metadata: { mood: 'good' } });
    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({
      id: expect.any(String),
      conversationId,
      seq: 1,
      senderId: 'alice',
      content: 'Xin chào',
      metadata: { mood: 'good' },
      version: 1,
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      pipeline: { delivery: stageOf('delivery'), embedding: 'pending', scoring: stageOf('scoring') },
    });
    expect(answer.headers['location']).toBe(`/v1/messages/${String(answer.body['id'])}`);
    expect((await send(conversationId, { content: 'second' }, { token: bob })).body).toMatchObject({ seq: 2, senderId: 'bob' });
  });

  it('leaves one log line with its ids and none of its text', async () => {
    const conversationId = await aConversation();
    logLines.length = 0;
    const answer = await send(conversationId, { content: 'my secret' }, { headers: { 'x-request-id': 'req-12345' } });
    await expect.poll(() => logLines).toHaveLength(1);
    expect(logLines[0]).toMatchObject({
      level: 'info',
      requestId: 'req-12345',
      conversationId,
      messageId: answer.body['id'],
      userId: 'alice',
      method: 'POST',
      route: '/v1/conversations/:conversationId/messages',
      status: 202,
      durationMs: expect.any(Number),
    });
    expect(JSON.stringify(logLines)).not.toContain('secret');
  });

  it('is read back by members, in order, and by no other user', async () => {
    const conversationId = await aConversation(['bob']);
    for (const content of ['one', 'two', 'three']) await send(conversationId, { content });
    const url = `/v1/conversations/${conversationId}/messages`;
    const page = await call({ url: `${url}?afterSeq=1&limit=1`, token: bob });
    expect(page.body).toMatchObject({ headSeq: 3, items: [{ seq: 2, content: 'two' }] });
    expect(itemsOf(await call({ url: `${url}?beforeSeq=3` })).map(({ seq }) => seq)).toEqual([1, 2]);
    const id = String(itemsOf(page)[0]?.['id']);
    expect((await call({ url: `/v1/messages/${id}` })).body).toMatchObject({ content: 'two', pipeline: { embedding: 'pending' } });
    const mallory = await mintToken(SECRET, { user: 'mallory' });
    for (const path of [url, `/v1/messages/${id}`, `/v1/conversations/${conversationId}`]) {
      expect((await call({ url: path, token: mallory })).body).toMatchObject({ status: 404, code: 'not-found' });
    }
  });
});

describe('an edit', () => {
  it('raises the version, shows in reads, and is announced', async () => {
    const { id } = (await send(await aConversation(['bob']), { content: 'first' })).body;
    const edited = await call({ method: 'PATCH', url: `/v1/messages/${String(id)}`, json: { content: 'second' } });
    expect(edited).toMatchObject({ status: 200, body: { id, content: 'second', version: 2, editedAt: expect.any(String) } });
    expect(edited.headers['etag']).toBe('"2"');
    expect((await call({ url: `/v1/messages/${String(id)}`, token: bob })).body).toMatchObject({ content: 'second', version: 2 });
  });

  it.each(['1', '"1"'])('with If-Match %s happens once', async (version) => {
    const { id } = (await send(await aConversation(), { content: 'first' })).body;
    const edit = () =>
      call({ method: 'PATCH', url: `/v1/messages/${String(id)}`, json: { content: 'next' }, headers: { 'if-match': version } });
    expect((await edit()).status).toBe(200);
    expect(await edit()).toMatchObject({ status: 412, body: { code: 'version-conflict', retryable: false } });
  });

  it.each([
    ['W/"1"', 412],
    ['"2"', 412],
    ['"2", W/"1"', 412],
    ['"not-a-version"', 412],
    ['"2", "1"', 200],
    ['*', 200],
  ])('with If-Match %s is answered %i', async (tags, status) => {
    const { id } = (await send(await aConversation(), { content: 'first' })).body;
    const answer = await call({
      method: 'PATCH',
      url: `/v1/messages/${String(id)}`,
      json: { content: 'next' },
      headers: { 'if-match': tags },
    });
    expect(answer.status).toBe(status);
  });

  it.each([
    ['blank text', { content: ' ' }, {}],
    ['an unknown field', { content: 'x', version: 9 }, {}],
    ['a version that is none', { content: 'x' }, { 'if-match': '"1' }],
  ])('is refused with %s, and changes nothing', async (_what, json, headers) => {
    const { id } = (await send(await aConversation(), { content: 'first' })).body;
    expect(await call({ method: 'PATCH', url: `/v1/messages/${String(id)}`, json, headers })).toMatchObject({ status: 400 });
    expect((await call({ url: `/v1/messages/${String(id)}` })).body).toMatchObject({ content: 'first', version: 1 });
  });

  it("of another user's message is forbidden to members and unknown to strangers", async () => {
    const { id } = (await send(await aConversation(['bob']), { content: 'mine' })).body;
    const mallory = await mintToken(SECRET, { user: 'mallory' });
    for (const [token, status] of [[bob, 403] as const, [mallory, 404] as const]) {
      expect((await call({ method: 'PATCH', url: `/v1/messages/${String(id)}`, json: { content: 'x' }, token })).status).toBe(status);
      expect((await call({ method: 'DELETE', url: `/v1/messages/${String(id)}`, token })).status).toBe(status);
    }
  });
});

describe('a deletion', () => {
  it('leaves the place in the conversation and nothing of the text', async () => {
    const conversationId = await aConversation();
    const { id } = (await send(conversationId, { content: 'regret' })).body;
    expect((await call({ method: 'DELETE', url: `/v1/messages/${String(id)}` })).status).toBe(204);
    expect((await call({ method: 'DELETE', url: `/v1/messages/${String(id)}` })).status).toBe(204);
    const [item] = itemsOf(await call({ url: `/v1/conversations/${conversationId}/messages` }));
    expect(item).toMatchObject({ id, seq: 1, content: '', version: 2, deletedAt: expect.any(String) });
    expect(itemsOf(await call({ url: '/v1/search?q=regret' }))).toEqual([]);
  });
});

describe('a send with high priority', () => {
  it('is answered when the vectors are there, and as pending when they are not made in time', async () => {
    const conversationId = await aConversation();
    expect((await send(conversationId, { content: 'urgent', priority: 'high' })).body).toMatchObject({
      pipeline: { embedding: 'pending' },
    });
    const asked: unknown[] = [];
    gateway.get(MemoryRequester, { strict: false }).respond(EMBED_NOW_QUEUE, async (question) => {
      asked.push(question);
      return { indexed: true };
    });
    const answer = await send(conversationId, { content: 'urgent too', priority: 'high' });
    expect(answer).toMatchObject({ status: 202, body: { pipeline: { embedding: 'done' } } });
    expect(asked).toMatchObject([{ type: 'message.created', data: { messageId: answer.body['id'], seq: 2 } }]);
    expect((await send(conversationId, { content: 'no hurry' })).body).toMatchObject({ pipeline: { embedding: 'pending' } });
    expect(asked).toHaveLength(1);
  });
});

describe('a context window', () => {
  const ask = (conversationId: string, json: unknown) => call({ method: 'POST', url: `/v1/conversations/${conversationId}/context`, json });

  it('has the messages with their reason, their tokens, and how far the index is', async () => {
    const conversationId = await aConversation();
    await send(conversationId, { content: 'cà phê sáng mai' });
    // The first window loads the vocabulary in a thread of low priority: on a busy machine that may outlast a deadline.
    const answer = await eventually(
      async () => {
        const window = await ask(conversationId, { query: 'ca phe', maxTokens: 100 });
        expect(window).toMatchObject({ status: 200, body: { indexedThroughSeq: 0, degraded: [], tokens: expect.any(Number) } });
        return window;
      },
      { timeoutMs: 60_000 },
    );
    expect(itemsOf(answer)).toMatchObject([{ why: 'recent', message: { seq: 1, content: 'cà phê sáng mai' } }]);
  }, 90_000);

  it.each([
    ['no query', { maxTokens: 10 }],
    ['no budget', { query: 'x' }],
    ['a budget of nothing', { query: 'x', maxTokens: 0 }],
    ['too many recent ones', { query: 'x', maxTokens: 10, recent: 201 }],
    ['a minSeq of the future', { query: 'x', maxTokens: 10, minSeq: 7 }],
    ['an unknown field', { query: 'x', maxTokens: 10, budget: 1 }],
  ])('is refused with %s', async (_what, json) => {
    expect(await ask(await aConversation(), json)).toMatchObject({ status: 400, body: { code: 'validation' } });
  });
});

describe('membership', () => {
  it('is limited for each user and day, and the answer says until when', async () => {
    const strict = await boot({ DAILY_CONVERSATIONS_PER_USER: '1', DAILY_ADDITIONS_PER_USER: '2' });
    const id = await aConversation(['bob'], strict);
    const add = (user: string) => call({ method: 'PUT', url: `/v1/conversations/${id}/members/${user}` }, strict);
    expect((await add('carol')).status).toBe(204);
    const refused = [await add('dave'), await call({ method: 'POST', url: '/v1/conversations', json: { memberIds: [] } }, strict)];
    for (const { status, body, headers } of refused) {
      expect([status, body['code']]).toEqual([429, 'rate-limited']);
      expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    }
  });

  it('is not given back to a member who left, but taken back by that member', async () => {
    const id = await aConversation(['bob']);
    const member = (method: 'PUT' | 'DELETE', token: string) => call({ method, url: `/v1/conversations/${id}/members/bob`, token });
    expect((await member('DELETE', bob)).status).toBe(204);
    expect((await member('PUT', alice)).body).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await member('PUT', bob)).status).toBe(204);
    expect((await call({ url: `/v1/conversations/${id}`, token: bob })).status).toBe(200);
  });
});

describe('an idempotency key', () => {
  it.each([
    ['in the header', { content: 'once' }, { headers: { 'idempotency-key': 'key-1' } }],
    ['in the body', { content: 'once', clientMessageId: 'key-1' }, {}],
    ['in both', { content: 'once', clientMessageId: 'key-1' }, { headers: { 'idempotency-key': 'key-1' } }],
  ])('%s makes one message of many sends', async (_, json, request) => {
    const conversationId = await aConversation();
    const first = await send(conversationId, json, request);
    expect(first.status).toBe(202);
    expect(first.headers['idempotency-replayed']).toBeUndefined();
    const again = await send(conversationId, { content: 'once' }, { headers: { 'idempotency-key': 'key-1' } });
    expect(again.status).toBe(202);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(again.headers['location']).toBe(first.headers['location']);
    expect(again.body).toEqual(first.body);
    expect(messageCount()).toBe(1);
  });

  it('answers what was accepted, also after an edit and a deletion', async () => {
    const conversationId = await aConversation();
    const first = await send(conversationId, { content: 'once', clientMessageId: 'k' });
    const url = String(first.headers['location']);
    await call({ method: 'PATCH', url, json: { content: 'edited' } });
    await call({ method: 'DELETE', url });
    const again = await send(conversationId, { content: 'once', clientMessageId: 'k' });
    expect([again.status, again.headers['idempotency-replayed'], again.body]).toEqual([202, 'true', first.body]);
  });

  it('makes one conversation of many starts', async () => {
    const start = (json: unknown, token = alice) =>
      call({ method: 'POST', url: '/v1/conversations', json, token, headers: { 'idempotency-key': 'start-1' } });
    const first = await start({ title: 'Cà phê', memberIds: ['bob'] });
    expect([first.status, first.headers['idempotency-replayed']]).toEqual([201, undefined]);
    await send(String(first.body['id']), { content: 'Xin chào' });
    const again = await start({ title: 'Cà phê', memberIds: ['bob', 'alice'] });
    expect([again.status, again.headers['idempotency-replayed'], again.body]).toEqual([201, 'true', first.body]);
    expect(again.headers['location']).toBe(first.headers['location']);
    expect((await start({ title: 'Trà', memberIds: ['bob'] })).body).toMatchObject({ status: 422, code: 'idempotency-key-reused' });
    expect((await start({ title: 'Cà phê', memberIds: ['bob'] }, bob)).headers['idempotency-replayed']).toBeUndefined();
  });

  it('is refused with another body', async () => {
    const conversationId = await aConversation();
    await send(conversationId, { content: 'once', clientMessageId: 'k' });
    const answer = await send(conversationId, { content: 'twice', clientMessageId: 'k' });
    expect(answer.body).toMatchObject({ status: 422, code: 'idempotency-key-reused', retryable: false });
    expect(messageCount()).toBe(1);
  });

  it('may not be given twice and differently', async () => {
    const conversationId = await aConversation();
    const answer = await send(conversationId, { content: 'x', clientMessageId: 'a' }, { headers: { 'idempotency-key': 'b' } });
    expect(answer.body).toMatchObject({ status: 400, code: 'validation', errors: [{ pointer: '/clientMessageId' }] });
    expect(messageCount()).toBe(0);
  });
});

describe('malformed input is refused and nothing is stored', () => {
  const raw = (payload: string | Buffer, contentType = 'application/json'): Request => ({
    payload,
    headers: { 'content-type': contentType },
  });
  const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

  it.each([
    [{ content: `a${'\u0301'.repeat(31)}` }, '/content', 'must not have more than 30 combining marks in a row'],
    [{ content: '\u200d' }, '/content', 'must have at least one visible character'],
    [
      { content: 'hi', metadata: { notes: ['\u0007'] } },
      '/metadata/notes/0',
      'must not contain control characters other than tab and line breaks',
    ],
  ])('and says what to change: %j', async (body, pointer, message) => {
    const answer = await send(await aConversation(), body);
    expect(answer.status).toBe(400);
    expect(answer.body['errors']).toEqual([{ pointer, message }]);
  });

  it.each<[string, number, Request]>([
    ['broken JSON', 400, raw('{"content": "hi"')],
    ['no JSON at all', 400, raw('hello')],
    ['no body', 400, raw('')],
    ['a body without content type', 415, { payload: '{"content":"hi"}' }],
    ['JSON that is no object', 400, raw('"hi"')],
    ['null', 400, raw('null')],
    ['a list', 400, raw('[{"content":"hi"}]')],
    ['no content', 400, raw('{}')],
    ['content that is a number', 400, raw('{"content":1}')],
    ['content that is null', 400, raw('{"content":null}')],
    ['content that is an object', 400, raw('{"content":{"$ne":1}}')],
    ['empty content', 400, raw('{"content":""}')],
    ['blank content', 400, raw('{"content":" \\n\\t "}')],
    ['16,385 characters', 400, raw(JSON.stringify({ content: 'x'.repeat(16_385) }))],
    ['U+0000', 400, raw('{"content":"a\\u0000b"}')],
    ['another control character', 400, raw('{"content":"a\\u001bb"}')],
    ['a lone surrogate', 400, raw('{"content":"a\\ud800b"}')],
    ['31 combining marks in a row', 400, raw(JSON.stringify({ content: `a${'\u0301'.repeat(31)}` }))],
    ['nothing but joiners', 400, raw(JSON.stringify({ content: '\u200d\u200b' }))],
    ['an override without its end', 400, raw(JSON.stringify({ content: 'a\u202eb' }))],
    ['an escape sequence in metadata', 400, raw(JSON.stringify({ content: 'hi', metadata: { note: '\u001b[2J' } }))],
    ['bytes that are no UTF-8', 400, raw(Buffer.from([...Buffer.from('{"content":"'), 0xed, 0xa0, 0x80, ...Buffer.from('"}')]))],
    ['an unknown field', 400, raw('{"content":"hi","admin":true}')],
    ['a forged senderId', 400, raw('{"content":"hi","senderId":"bob"}')],
    ['a forged seq', 400, raw('{"content":"hi","seq":99}')],
    ['a forged id', 400, raw('{"content":"hi","id":"x"}')],
    ['a forged createdAt', 400, raw('{"content":"hi","createdAt":"2020-01-01T00:00:00Z"}')],
    ['__proto__', 400, raw('{"content":"hi","__proto__":{"admin":true}}')],
    ['constructor.prototype', 400, raw('{"content":"hi","constructor":{"prototype":{"admin":true}}}')],
    ['an unknown priority', 400, raw('{"content":"hi","priority":"urgent"}')],
    ['metadata that is a list', 400, raw('{"content":"hi","metadata":[1]}')],
    ['metadata that is too large', 400, raw(JSON.stringify({ content: 'hi', metadata: { a: 'x'.repeat(5_000) } }))],
    ['metadata that is nested too deeply', 400, raw(`{"content":"hi","metadata":${nested(7)}}`)],
    ['10,000 levels of objects', 400, raw(`{"content":"hi","metadata":${nested(10_000)}}`)],
    ['50,000 levels of lists', 400, raw(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)],
    ['50,000 values', 400, raw(`{"content":"hi","metadata":{"a":[${'1,'.repeat(49_999)}1]}}`)],
    ['a million values', 413, raw(`{"content":"hi","metadata":{"a":[${'1,'.repeat(999_999)}1]}}`)],
    ['gzip', 415, { ...raw('{"content":"hi"}'), headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' } }],
    ['a 256-character key in the body', 400, raw(JSON.stringify({ content: 'hi', clientMessageId: 'k'.repeat(256) }))],
    [
      'a 256-character key in the header',
      400,
      { ...raw('{"content":"hi"}'), headers: { 'content-type': 'application/json', 'idempotency-key': 'k'.repeat(256) } },
    ],
    ['an empty key', 400, { ...raw('{"content":"hi"}'), headers: { 'content-type': 'application/json', 'idempotency-key': '' } }],
    ['a key with spaces', 400, raw('{"content":"hi","clientMessageId":"a b"}')],
    ['a form', 415, raw('content=hi', 'application/x-www-form-urlencoded')],
    ['plain text', 415, raw('{"content":"hi"}', 'text/plain')],
    ['XML', 415, raw('<content>hi</content>', 'application/xml')],
    ['multipart', 415, raw('--x\r\n\r\nhi\r\n--x--', 'multipart/form-data; boundary=x')],
    ['128 KiB and more', 413, raw(JSON.stringify({ content: 'x'.repeat(131_072) }))],
    ['10 MB and a byte', 413, raw(JSON.stringify({ content: 'x'.repeat(10_485_760) }))],
  ])('%s', async (_, status, request) => {
    const conversationId = await aConversation();
    const answer = await call({ method: 'POST', url: `/v1/conversations/${conversationId}/messages`, ...request });
    expect({ status: answer.status, code: answer.body['code'] }).toEqual({
      status,
      code: status === 413 ? 'payload-too-large' : 'validation',
    });
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(Problem.safeParse(answer.body).success).toBe(true);
    expect(answer.text.length).toBeLessThan(20_000);
    expect(messageCount()).toBe(0);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  it.each([
    ['an unknown conversation', () => newId(), 404],
    ['an id that is none', () => 'abc', 400],
    ['an id with SQL', () => encodeURIComponent("' OR 1=1 --"), 400],
    ['a very long id', () => 'a'.repeat(500), 400],
    ['a path that is not well-formed', () => '%zz', 400],
    ['a path with a null byte', () => '%00', 400],
    ['a path that climbs', () => '..%2f..%2fetc', 400],
  ])('%s in the path', async (_, id, status) => {
    const answer = await send(id(), { content: 'hi' });
    expect(answer.status).toBe(status);
    expect(Problem.safeParse(answer.body).success).toBe(true);
    expect(answer.headers['x-request-id']).toBeDefined();
    expect(messageCount()).toBe(0);
  });

  it('a conversation of others', async () => {
    const conversationId = await aConversation();
    const strange = await send(conversationId, { content: 'hi' }, { token: bob });
    const unknown = await send(newId(), { content: 'hi' }, { token: bob });
    expect(strange.status).toBe(404);
    expect({ ...strange.body, instance: '', requestId: '' }).toEqual({ ...unknown.body, instance: '', requestId: '' });
    expect(messageCount()).toBe(0);
  });

  it.each([
    ["'; DROP TABLE messages; --"],
    ['a & b | !c <-> (d:*)'],
    ['$1 ${x} {{x}} %s'],
    ['<script>alert(1)</script>'],
    ['\u{1f469}\u200d\u{1f52c} \u202eabc\u202c'],
    ['line\nbreak\ttab'],
    ['{"level":60}\n{"level":60}'],
  ])('but %j is only text', async (content) => {
    const conversationId = await aConversation();
    const answer = await send(conversationId, { content });
    expect(answer.status).toBe(202);
    expect(answer.body['content']).toBe(content);
    const found = await call({ url: `/v1/search?${new URLSearchParams({ q: content.trim(), conversationId }).toString()}` });
    expect(found.status).toBe(200);
  });

  it.each([
    '/v1/search',
    '/v1/search?q=',
    '/v1/search?q=%20',
    '/v1/search?q=%00',
    `/v1/search?q=${'x'.repeat(1_001)}`,
    '/v1/search?q=x&limit=51',
    '/v1/search?q=x&limit=1e9',
    '/v1/search?q=x&limit=1&limit=2',
    '/v1/search?q=x&mode=magic',
    '/v1/search?q=x&from=yesterday',
    '/v1/search?q=x&conversationId=abc',
    '/v1/search?q=x&senderId=a%20b',
    '/v1/search?q=x&rerank=maybe',
    '/v1/search?q=x&where=1',
    '/v1/search?q[$ne]=x',
    '/v1/conversations?limit=0',
    '/v1/conversations?limit=ten',
    '/v1/conversations?cursor=garbage',
    '/v1/messages/1',
  ])('GET %s', async (url) => {
    const answer = await call({ url });
    expect({ status: answer.status, code: answer.body['code'] }).toEqual({ status: 400, code: 'validation' });
  });
});

describe('a token', () => {
  const now = () => Math.floor(Date.now() / 1_000);
  const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const forge = (payload: Json, header: Json = { alg: 'HS256' }, key = SECRET) => {
    const signed = `${base64url(header)}.${base64url({ sub: 'alice', aud: 'parley', exp: now() + 60, ...payload })}`;
    return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
  };

  it.each<[string, () => string | null]>([
    ['none', () => null],
    ['garbage', () => 'garbage'],
    ['alg none', () => `${base64url({ alg: 'none' })}.${base64url({ sub: 'alice', aud: 'parley', exp: now() + 60 })}.`],
    ['another key', () => forge({}, { alg: 'HS256' }, 'x'.repeat(40))],
    ['expired', () => forge({ exp: now() - 1 })],
    ['not valid yet', () => forge({ nbf: now() + 120 })],
    ['for another audience', () => forge({ aud: 'other' })],
    ['without an end', () => forge({ exp: undefined })],
    ['without a user', () => forge({ sub: undefined })],
    ['with a user that cannot be', () => forge({ sub: "alice'--" })],
  ])('is needed: %s', async (_, token) => {
    for (const url of ['/v1/conversations', `/v1/messages/${newId()}`, '/v1/search?q=x', '/v1/admin/queues']) {
      const answer = await call({ url, token: token() });
      expect(answer.body).toMatchObject({ status: 401, code: 'unauthenticated', retryable: false });
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="parley"/);
    }
  });

  it.each(['Basic YWxpY2U6eA==', 'Bearer', 'bearer', 'Token x'])('is not "%s"', async (authorization) => {
    expect((await call({ url: '/v1/conversations', token: null, headers: { authorization } })).status).toBe(401);
  });

  it('is asked for before the body is read', async () => {
    const answer = await call({
      method: 'POST',
      url: '/v1/conversations',
      token: null,
      payload: '{',
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(401);
  });

  it('is never logged, only why it was refused', async () => {
    const token = forge({ exp: now() - 1 });
    await call({ url: '/v1/conversations', token });
    await expect.poll(() => logLines).toHaveLength(1);
    expect(logLines[0]).toMatchObject({ status: 401, code: 'unauthenticated', reason: expect.any(String) });
    expect(JSON.stringify(logLines)).not.toContain(token.slice(-20));
  });

  it('shows the outbox, and takes an order to unpark that names what it means', async () => {
    const admin = await mintToken(SECRET, { user: 'root', scopes: ['admin'] });
    expect((await call({ url: '/v1/admin/outbox', token: admin })).body).toMatchObject({ parked: 0, isEstimate: false, items: [] });
    const unpark = (json: unknown) => call({ method: 'POST', url: '/v1/admin/outbox/unpark', token: admin, json });
    expect((await unpark({ all: true })).body).toEqual({ unparked: 0 });
    expect((await unpark({})).status).toBe(400);
  });

  it('finds a dead letter by an id of any length that a message can have', async () => {
    const admin = await mintToken(SECRET, { user: 'root', scopes: ['admin'] });
    for (const id of ['i'.repeat(101), 'i'.repeat(255), encodeURIComponent('你'.repeat(255))]) {
      const answer = await call({ url: `/v1/admin/dead-letters/${id}`, token: admin });
      expect(answer.body).toMatchObject({ status: 404, detail: 'There is no such dead letter.' });
    }
    expect((await call({ url: `/v1/admin/dead-letters/${'i'.repeat(256)}`, token: admin })).status).toBe(400);
  });

  it('opens the admin routes with the scope admin only', async () => {
    expect((await call({ url: '/v1/admin/queues' })).body).toMatchObject({ status: 403, code: 'forbidden' });
    const admin = await mintToken(SECRET, { user: 'root', scopes: ['admin'] });
    const answer = await call({ url: '/v1/admin/queues', token: admin });
    expect(itemsOf(answer)[0]).toMatchObject({ name: 'embedding.messages', ready: 0, deadLetters: 0, paused: null });
  });

  it('is not needed to ask for the state of the process', async () => {
    for (const url of ['/livez', '/readyz', '/metrics', '/v1/health', '/openapi.json', '/asyncapi.json', '/docs']) {
      expect({ url, status: (await call({ url, token: null })).status }).toEqual({ url, status: 200 });
    }
  });
});

describe('every answer', () => {
  it('is a whole problem document when something is wrong', async () => {
    const answer = await call({ url: `/v1/messages/${newId()}?q=secret`, headers: { 'x-request-id': 'abc-123' } });
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.body).toEqual({
      type: '/problems#not-found',
      title: 'Not found',
      status: 404,
      detail: 'There is no such message.',
      instance: expect.stringMatching(/^\/v1\/messages\/[0-9a-f-]{36}$/),
      code: 'not-found',
      requestId: 'abc-123',
      retryable: false,
    });
  });

  it('says where the request was wrong', async () => {
    const answer = await call({ method: 'POST', url: '/v1/conversations', json: { memberIds: ['bob', 'no good'], extra: 1 } });
    expect(answer.body['errors']).toEqual([
      { pointer: '/memberIds/1', message: expect.any(String) },
      { pointer: '/extra', message: 'is not a field of this request' },
    ]);
  });

  it('says in a sentence what must be there instead', async () => {
    const json = { content: 42, clientMessageId: 'a b', priority: 'urgent', metadata: [], seq: 1 };
    const { body } = await send(await aConversation(), json);
    expect(body['errors']).toEqual(
      expect.arrayContaining([
        { pointer: '/content', message: 'must be a text' },
        { pointer: '/clientMessageId', message: 'must be 1-255 printable ASCII characters without spaces' },
        { pointer: '/priority', message: 'must be "normal" or "high"' },
        { pointer: '/metadata', message: 'must be an object' },
        { pointer: '/seq', message: 'is not a field of this request' },
      ]),
    );
    const missing = await send(await aConversation(), {});
    expect(missing.body['errors']).toEqual([{ pointer: '/content', message: 'is missing' }]);
    const query = await call({ url: `/v1/search?limit=999&from=yesterday&conversationId=x` });
    expect(query.body['errors']).toEqual(
      expect.arrayContaining([
        { pointer: '/q', message: 'is missing' },
        { pointer: '/limit', message: 'must be at most 50' },
        { pointer: '/from', message: 'must be a time with its offset (RFC 3339), e.g. 2026-01-31T09:30:00Z' },
        { pointer: '/conversationId', message: 'must be a UUID' },
      ]),
    );
  });

  it('leads to a page that explains its problem and says what to do', async () => {
    const { type } = (await call({ url: '/v1/messages/x' })).body as { type: string };
    const [page = '', anchor = ''] = type.split('#');
    const answer = await call({ url: page, token: null });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(answer.text).toContain(`id="${anchor}"`);
    for (const code of Object.keys(problems)) expect(answer.text).toContain(`id="${code}"`);
  });

  it.each([
    ['GET', '/nope'],
    ['GET', '/'],
    ['POST', '/v1/messages/x/y'],
    ['GET', '/v1/friendship_status'],
    ['GET', '/docs/swagger-ui.css.map'],
  ] as const)('to %s %s says that there is no such thing', async (method, url) => {
    const answer = await call({ method, url });
    expect(answer.body).toMatchObject({ status: 404, code: 'not-found' });
    expect(answer.headers['allow']).toBeUndefined();
    expect(Problem.safeParse(answer.body).success).toBe(true);
  });

  it.each([
    ['POST', '/v1/messages/x', 'DELETE, GET, HEAD, PATCH'],
    ['DELETE', '/v1/conversations', 'GET, HEAD, POST'],
    ['TRACE', '/v1/conversations?limit=1', 'GET, HEAD, POST'],
    ['OPTIONS', '/v1/conversations', 'GET, HEAD, POST'],
    ['PUT', `/v1/messages/${newId()}`, 'DELETE, GET, HEAD, PATCH'],
    ['POST', '/livez', 'GET, HEAD'],
    ['PUT', '/v1/conversations/end', 'GET, HEAD, POST'],
    ['DELETE', '/v1/friendship_status/calculate-score-and-update', 'GET, HEAD, POST'],
  ] as const)('to %s %s says what the route takes', async (method, url, allow) => {
    const answer = await call({ method, url, token: null });
    expect(answer.body).toMatchObject({ status: 405, code: 'not-found' });
    expect(answer.status).toBe(405);
    expect(answer.headers['allow']).toBe(allow);
    expect(Problem.safeParse(answer.body).success).toBe(true);
  });

  it('carries the request id that it came with when that is well formed, and a new one otherwise', async () => {
    expect((await call({ url: '/v1/conversations', headers: { 'x-request-id': 'my.request:1' } })).headers['x-request-id']).toBe(
      'my.request:1',
    );
    for (const bad of ['', 'a b', 'x'.repeat(129), 'a\u00e9']) {
      const { headers } = await call({ url: '/v1/conversations', headers: { 'x-request-id': bad } });
      expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('says how long it took, may be stored in no cache, and is nothing that a browser could misread', async () => {
    const { headers } = await call({ url: '/v1/conversations' });
    expect(headers['server-timing']).toMatch(/^app;dur=\d+\.\d$/);
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' });
    expect(headers['access-control-allow-origin']).toBeUndefined();
    expect(headers['x-powered-by']).toBeUndefined();
    for (const url of ['/livez', '/readyz', '/metrics', '/v1/health', '/openapi.json', '/asyncapi.json', '/docs']) {
      expect((await call({ url, token: null })).headers['cache-control']).toBe('no-store');
    }
  });

  it('is counted under its route, never under its path', async () => {
    await call({ url: `/v1/messages/${newId()}` });
    await call({ url: '/some/path/that/nobody/has' });
    const { text } = await call({ url: '/metrics', token: null });
    expect(text).toContain('http_request_duration_seconds_count{route="/v1/messages/:messageId",method="GET",status="404"}');
    expect(text).toContain('http_request_duration_seconds_count{route="unknown",method="GET",status="404"}');
    expect(text).not.toContain('nobody');
    expect(text).toMatch(/^http_concurrent_requests \d/m);
    expect(text).toMatch(/^error_rate /m);
  });
});

it('the OpenAPI document describes every route, with its token and its problems', async () => {
  const { body } = await call({ url: '/openapi.json', token: null });
  const paths = Object.entries(body['paths'] as Record<string, Record<string, Json>>);
  const operations: (Json & { path?: string })[] = paths.flatMap(([path, item]) =>
    Object.values(item).map((facts) => ({ ...facts, path })),
  );
  expect(operations.length).toBeGreaterThan(10);
  for (const { path = '', summary, security, responses } of operations.filter(
    ({ path = '' }) => path.startsWith('/v1/') && path !== '/v1/health',
  )) {
    const isForAdmins = /^\/v1\/(admin|users)\//.test(path);
    expect({ path, summary, security }).toEqual({
      path,
      summary: expect.any(String),
      security: isForAdmins ? [{ token: ['admin'] }] : undefined,
    });
    expect(responses).toHaveProperty(['503', '$ref'], '#/components/responses/UnavailableProblem');
  }
  expect(body['security']).toEqual([{ token: [] }]);
});

it('a message shows how far its delivery is, and a new version begins anew', async () => {
  const id = String((await send(await aConversation(), { content: 'one' })).body['id']);
  const ledger = gateway.get(DeliveryLedgerPort, { strict: false });
  const delivery = async () => ((await call({ url: `/v1/messages/${id}` })).body['pipeline'] as Json)['delivery'];
  expect(await delivery()).toBe('pending');
  await ledger.record([{ messageId: id, version: 1, state: 'failed' }]);
  expect(await delivery()).toBe('failed');
  await ledger.record([{ messageId: id, version: 1, state: 'delivered' }]);
  expect(await delivery()).toBe('done');
  await call({ method: 'PATCH', url: `/v1/messages/${id}`, json: { content: 'two' } });
  expect(await delivery()).toBe('pending');
});

describe('conversations', () => {
  it('always have their creator, and each member once', async () => {
    const answer = await call({ method: 'POST', url: '/v1/conversations', json: { title: 'Cà phê', memberIds: ['bob', 'alice', 'bob'] } });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ title: 'Cà phê', memberIds: ['alice', 'bob'], headSeq: 0 });
    expect(answer.headers['location']).toBe(`/v1/conversations/${String(answer.body['id'])}`);
  });

  it('are listed for their members, page by page, with the last message and what was read', async () => {
    const ids = [await aConversation(['bob']), await aConversation(), await aConversation(['bob'])];
    await send(ids[2] ?? '', { content: 'newest' });
    await call({ method: 'PUT', url: `/v1/conversations/${ids[2]}/receipts`, json: { readSeq: 1 }, token: bob });
    const first = await call({ url: '/v1/conversations?limit=1', token: bob });
    expect(itemsOf(first)).toMatchObject([
      { id: ids[2], headSeq: 1, readSeq: 1, unread: 0, lastMessage: { content: 'newest', pipeline: { embedding: 'pending' } } },
    ]);
    const second = await call({ url: `/v1/conversations?limit=5&cursor=${String(first.body['nextCursor'])}`, token: bob });
    expect(itemsOf(second)).toMatchObject([{ id: ids[0], readSeq: 0, lastMessage: null }]);
    expect(second.body['nextCursor']).toBeNull();
  });

  it('are joined by users that a member adds, and left by users that the creator removes', async () => {
    const id = await aConversation(['bob']);
    const member = (method: 'PUT' | 'DELETE', userId: string, token: string) =>
      call({ method, url: `/v1/conversations/${id}/members/${userId}`, token, headers: { 'content-type': 'application/json' } });
    const carol = await mintToken(SECRET, { user: 'carol' });
    expect((await member('PUT', 'carol', carol)).status).toBe(404);
    expect((await member('PUT', 'carol', bob)).status).toBe(204);
    expect((await call({ url: `/v1/conversations/${id}`, token: carol })).body['memberIds']).toEqual(['alice', 'bob', 'carol']);
    expect((await member('DELETE', 'bob', carol)).body).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await member('DELETE', 'carol', alice)).status).toBe(204);
    expect((await call({ url: `/v1/conversations/${id}`, token: carol })).status).toBe(404);
    expect((await member('PUT', 'no good', alice)).status).toBe(400);
  });

  it('say how many messages of others are unread, whatever the order of receipts', async () => {
    const id = await aConversation(['bob']);
    for (const content of ['one', 'two', 'three']) await send(id, { content });
    await send(id, { content: 'my own' }, { token: bob });
    const receipt = (json: unknown) => call({ method: 'PUT', url: `/v1/conversations/${id}/receipts`, json, token: bob });
    const listed = async () => itemsOf(await call({ url: '/v1/conversations?limit=1', token: bob }))[0];
    expect(await listed()).toMatchObject({ readSeq: 0, unread: 3 });
    for (const readSeq of [2, 1]) expect((await receipt({ readSeq })).status).toBe(204);
    expect(await listed()).toMatchObject({ readSeq: 2, unread: 1 });
    expect((await receipt({ deliveredSeq: 4 })).status).toBe(204);
    expect(await listed()).toMatchObject({ readSeq: 2, unread: 1 });
    expect((await receipt({ readSeq: 1_000 })).status).toBe(204);
    expect(await listed()).toMatchObject({ readSeq: 4, unread: 0 });
  });

  it('take receipts from members only', async () => {
    const id = await aConversation();
    const put = (json: unknown, token = alice) => call({ method: 'PUT', url: `/v1/conversations/${id}/receipts`, json, token });
    expect((await put({ readSeq: 0 })).status).toBe(204);
    expect((await put({})).status).toBe(400);
    expect((await put({ readSeq: -1 })).status).toBe(400);
    expect((await put({ readSeq: 1 }, bob)).status).toBe(404);
  });
});

describe('a failure behind the gateway', () => {
  const failing = (error: Error) => {
    gateway.get(MessageStorePort, { strict: false }).store = async () => {
      throw error;
    };
  };
  const attempt = async () => send(await aConversation(), { content: 'hi' });

  it.each([
    ['unavailable', 'dependency-unavailable'],
    ['open', 'dependency-unavailable'],
    ['timeout', 'timeout'],
    ['overloaded', 'overloaded'],
  ] as const)('of a dependency that is %s is 503 %s, with the time to come back', async (kind, code) => {
    failing(new DependencyError('postgres', 'sends', kind, { retryAfterMs: 2_300, cause: new Error('password=hunter2') }));
    const answer = await attempt();
    expect(answer.body).toMatchObject({ status: 503, code, retryable: true });
    expect(answer.headers['retry-after']).toBe('3');
    expect(answer.text).not.toContain('hunter2');
    expect(answer.text).not.toContain('postgres');
  });

  it('is 503 timeout when a deadline passed', async () => {
    failing(new DeadlineExceeded(5_500));
    expect((await attempt()).body).toMatchObject({ status: 503, code: 'timeout', retryable: true });
  });

  it('is 500 for a bug, without a word about it to the caller, and with all of it in the log', async () => {
    logLines.length = 0;
    failing(new TypeError('cannot read properties of undefined', { cause: new Error('SELECT secret FROM users') }));
    const answer = await attempt();
    expect(answer.body).toMatchObject({ status: 500, code: 'internal', retryable: false });
    expect(answer.text).not.toMatch(/SELECT|properties|at .*\.ts/);
    await expect.poll(() => logLines.find(({ status }) => status === 500)).toMatchObject({ level: 'error', code: 'internal' });
    expect(JSON.stringify(logLines)).toContain('cannot read properties');
  });

  it('that never answers is answered for at the deadline, which begins before the quota is asked', async () => {
    const store = gateway.get(MessageStorePort, { strict: false });
    store.store = () => new Promise(() => undefined);
    const conversationId = await aConversation();
    const { perUser } = gateway.get<Limiters>(LIMITERS, { strict: false });
    const take = perUser.take.bind(perUser);
    // Longer than what is asserted below leaves to the handler.
    perUser.take = async (...question) => passing(2_000).then(() => take(...question));
    const startedAt = performance.now();
    const answer = await send(conversationId, { content: 'hi' });
    expect(answer.body).toMatchObject({ status: 503, code: 'timeout' });
    expect(performance.now() - startedAt).toBeGreaterThan(5_400);
    // The deadline is 5.5 s: begun after the quota, it would be over at 7.5 s.
    expect(performance.now() - startedAt).toBeLessThan(7_400);
  });
});

describe('a quota', () => {
  it('lets a burst through, then says when to come back', async () => {
    const app = await boot({ RATE_LIMIT_PER_USER: '5' });
    const startedAt = performance.now();
    const answers = await Promise.all(Array.from({ length: 15 }, () => call({ url: '/v1/conversations' }, app)));
    const accepted = answers.filter(({ status }) => status === 200).length;
    const refused = answers.filter(({ status }) => status === 429);
    expect(accepted).toBeGreaterThanOrEqual(10);
    // Five more for each second that this machine took.
    expect(accepted).toBeLessThanOrEqual(10 + Math.floor((performance.now() - startedAt) / 200));
    expect(accepted + refused.length).toBe(15);
    expect(refused[0]?.body).toMatchObject({ code: 'rate-limited', retryable: true });
    expect(Number(refused[0]?.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(answers.map(({ headers }) => headers['ratelimit'])).toContain('"reads";r=9;t=1');
    expect(new Set(answers.map(({ headers }) => headers['ratelimit-policy']))).toEqual(new Set(['"reads";q=10;w=2']));
  });

  it('of reads is not that of writes, and mine is not yours', async () => {
    const app = await boot({ RATE_LIMIT_PER_USER: '1' });
    const id = await aConversation(['bob'], app);
    for (let i = 0; i < 5; i += 1) await call({ url: '/v1/conversations' }, app);
    expect((await call({ url: '/v1/conversations' }, app)).status).toBe(429);
    expect((await send(id, { content: 'hi' }, {}, app)).status).toBe(202);
    expect((await call({ url: '/v1/conversations', token: bob }, app)).status).toBe(200);
  });

  it('is taken before the body is looked at', async () => {
    const app = await boot({ RATE_LIMIT_PER_USER: '1' });
    const broken = () =>
      call({ method: 'POST', url: '/v1/conversations', payload: '{', headers: { 'content-type': 'application/json' } }, app);
    expect([await broken(), await broken(), await broken()].map(({ status }) => status)).toEqual([400, 400, 429]);
  });

  it('of all callers together is one too', async () => {
    const app = await boot({ RATE_LIMIT_GLOBAL: '2' });
    const statuses = [];
    for (const token of [alice, bob, alice, bob]) statuses.push((await call({ url: '/v1/conversations', token }, app)).status);
    expect(statuses).toEqual([200, 200, 429, 429]);
  });

  it('is not taken by requests for the state of the process', async () => {
    const app = await boot({ RATE_LIMIT_PER_USER: '1', RATE_LIMIT_GLOBAL: '1' });
    for (let i = 0; i < 20; i += 1) expect((await call({ url: '/readyz', token: null }, app)).status).toBe(200);
  });
});

describe('a gateway over a real connection', () => {
  const listen = async (app: NestFastifyApplication): Promise<number> => {
    await app.listen(0, '127.0.0.1');
    return (app.getHttpServer().address() as AddressInfo).port;
  };

  it('takes as many requests in flight as it is told to, refuses the others at once, and recovers', async () => {
    const app = await boot({ HTTP_MAX_CONCURRENT: '3' });
    const port = await listen(app);
    const head = `POST /v1/conversations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${alice}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n`;
    const slow = Array.from({ length: 3 }, () => connect(port, '127.0.0.1'));
    for (const socket of slow) socket.on('error', () => undefined).write(head);
    const ask = async (path = '/v1/conversations') => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${alice}` } });
      return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Json };
    };
    await expect.poll(async () => (await ask()).status).toBe(503);
    const refused = await ask();
    expect(refused.body).toMatchObject({ code: 'overloaded', retryable: true });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect((await ask('/readyz')).status).toBe(200);
    for (const socket of slow) socket.destroy();
    await expect.poll(async () => (await ask()).status).toBe(200);
  });

  it('answers a thousand requests at once', async () => {
    const app = await boot();
    const port = await listen(app);
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, i) => mintToken(SECRET, { user: `user-${i}` })));
    const statuses = await Promise.all(
      Array.from({ length: 1_000 }, async (_, i) => {
        const answer = await fetch(`http://127.0.0.1:${port}/v1/conversations`, { headers: { authorization: `Bearer ${tokens[i % 20]}` } });
        await answer.body?.cancel();
        return answer.status;
      }),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
  }, 30_000);

  it('answers a client that sends too much, and not only hangs up', async () => {
    const port = await listen(await boot());
    const answer = await fetch(`http://127.0.0.1:${port}/v1/conversations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${alice}`, 'content-type': 'application/json' },
      body: Buffer.alloc(10_485_761, 0x20),
    });
    expect(answer.status).toBe(413);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
  });

  it.each([
    ['headers that do not end', `GET /livez HTTP/1.1\r\nhost: x\r\nx-big: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['something that is no HTTP', 'hello\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', 400],
  ])('answers %s with a problem', async (_, bytes, status) => {
    const port = await listen(await boot());
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString())).on('error', () => undefined);
    socket.write(bytes);
    await expect.poll(() => text).toContain('"code"');
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(text).toContain('content-type: application/problem+json');
  });

  it('finishes what it has begun before it stops', async () => {
    const app = await boot();
    const port = await listen(app);
    const body = JSON.stringify({ memberIds: [] });
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString())).on('error', () => undefined);
    // The question itself is one of them.
    const inFlight = async () =>
      Number(/^http_concurrent_requests (\d+)$/m.exec((await call({ url: '/metrics', token: null }, app)).text)?.[1]);
    const before = await inFlight();
    socket.write(
      `POST /v1/conversations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${alice}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
    );
    await expect.poll(inFlight).toBe(before + 1);
    const closed = app.close();
    socket.write(body.slice(5));
    await closed;
    await expect.poll(() => text).toMatch(/^HTTP\/1.1 201 /);
    expect(text.toLowerCase()).toContain('connection: close');
  });
});
