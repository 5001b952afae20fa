import { afterEach, expect, it, vi } from 'vitest';
import { ParleyApi } from './parley-api.js';
import type { RestOptions } from './rest-call.js';

afterEach(() => {
  vi.restoreAllMocks();
});

interface Sent {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}
type Reply = Response | Error;

const refusal = (status: number, code: string, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify({ status, code, detail: code, retryable: status === 503 || status === 429, requestId: 'r-1' }), {
    status,
    headers,
  });
const message = (): Response => Response.json({ id: 'm-1', seq: 1 }, { status: 202 });

/** A client whose calls get these replies, one after the other, and what it sent. */
function scripted(replies: readonly (Reply | 'silence')[], options: Partial<RestOptions> = {}): { api: ParleyApi; sent: Sent[] } {
  const sent: Sent[] = [];
  const left = [...replies];
  const answer: typeof fetch = (input, init) => {
    sent.push({
      method: init?.method ?? 'GET',
      url: input instanceof URL ? input.href : '',
      headers: init?.headers as Record<string, string>,
    });
    const reply = left.shift();
    if (reply === 'silence' || reply === undefined) {
      return new Promise((_, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error)));
    }
    return reply instanceof Error ? Promise.reject(reply) : Promise.resolve(reply);
  };
  return { api: new ParleyApi({ url: 'http://parley.test/', token: 'a token', fetch: answer, ...options }), sent };
}

it('a send that was not answered is sent again with the same key', async () => {
  const { api, sent } = scripted([new TypeError('fetch failed'), refusal(503, 'timeout', { 'retry-after': '0' }), message()]);
  expect(await api.sendMessage('c-1', { content: 'hello' })).toEqual({ id: 'm-1', seq: 1 });
  const keys = sent.map(({ headers }) => headers['idempotency-key']);
  expect(keys).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), keys[0], keys[0]]);
});

it('a send goes with the key that its caller gives, be it in the message', async () => {
  const { api, sent } = scripted([message(), message()]);
  await api.sendMessage('c-1', { content: 'hello', clientMessageId: 'mine' });
  await api.sendMessage('c-1', { content: 'hello' }, { idempotencyKey: 'yours' });
  expect(sent.map(({ headers }) => headers['idempotency-key'])).toEqual(['mine', 'yours']);
});

it('a call is repeated twice, and then fails with what it was refused with', async () => {
  const again = () => refusal(503, 'overloaded', { 'retry-after': '0' });
  const { api, sent } = scripted([again(), again(), again(), message()]);
  await expect(api.getMessage('m-1')).rejects.toMatchObject({
    name: 'ParleyError',
    code: 'overloaded',
    problem: { requestId: 'r-1', status: 503 },
  });
  expect(sent).toHaveLength(3);
});

it('a call is not repeated when it is wrong', async () => {
  const { api, sent } = scripted([refusal(404, 'not-found')]);
  await expect(api.getMessage('m-1')).rejects.toMatchObject({ code: 'not-found' });
  expect(sent).toHaveLength(1);
});

it('a change of one version is repeated only when it was certainly not carried out', async () => {
  const { api, sent } = scripted([refusal(429, 'rate-limited', { 'retry-after': '0' }), new TypeError('fetch failed'), message()]);
  await expect(api.editMessage('m-1', { content: 'tea' }, { ifVersion: 3 })).rejects.toMatchObject({ code: 'unreachable' });
  expect(sent.map(({ headers }) => headers['if-match'])).toEqual(['"3"', '"3"']);
});

it('a call does not wait longer than it has time: what it was refused with comes at once', async () => {
  const { api, sent } = scripted([refusal(429, 'rate-limited', { 'retry-after': '3600' })]);
  await expect(api.getMessage('m-1')).rejects.toMatchObject({ code: 'rate-limited' });
  expect(sent).toHaveLength(1);
});

it('a call that hangs ends at its deadline, or when its caller gives it up', async () => {
  const { api } = scripted(['silence', 'silence']);
  await expect(api.getMessage('m-1', { timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout' });
  const given = new AbortController();
  const call = api.getMessage('m-1', { signal: given.signal });
  given.abort(new Error('the page is gone'));
  await expect(call).rejects.toThrow('the page is gone');
});

it('a call that was given up before it began asks for nothing', async () => {
  let asked = 0;
  const token = () => {
    asked += 1;
    return Promise.reject(new Error('logged out'));
  };
  const { api, sent } = scripted([message()], { token });
  await expect(api.getMessage('m-1', { signal: AbortSignal.abort(new Error('the page is gone')) })).rejects.toThrow('the page is gone');
  expect([asked, sent.length]).toEqual([0, 0]);
});

it('a call may wait for ever', async () => {
  const late: typeof fetch = (_, init) =>
    new Promise((resolve, reject) => {
      init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error));
      setTimeout(() => resolve(message()), 30);
    });
  const { api } = scripted([], { fetch: late });
  expect(await api.getMessage('m-1', { timeoutMs: Number.POSITIVE_INFINITY })).toEqual({ id: 'm-1', seq: 1 });
});

it('clients that were told to come back at the same moment do not', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(1);
  const { api } = scripted([refusal(503, 'overloaded', { 'retry-after': '0.2' }), message()]);
  const askedAt = performance.now();
  await api.getMessage('m-1');
  expect(performance.now() - askedAt).toBeGreaterThan(290);
});

it('what a call fails with says why, and when it may be accepted', async () => {
  const cause = new TypeError('fetch failed');
  const { api } = scripted([refusal(429, 'rate-limited', { 'retry-after': '3600' }), cause], { repeats: 0 });
  await expect(api.getMessage('m-1')).rejects.toMatchObject({ code: 'rate-limited', retryAfterMs: 3_600_000 });
  await expect(api.getMessage('m-1')).rejects.toMatchObject({ code: 'unreachable', message: 'fetch failed', cause });
});

it('a date in place of seconds is not taken for a number', async () => {
  const { api } = scripted([refusal(503, 'overloaded', { 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' })], { repeats: 0 });
  await expect(api.getMessage('m-1')).rejects.toMatchObject({ code: 'overloaded', retryAfterMs: undefined });
});

it('a token that has expired is replaced once', async () => {
  const tokens = ['old', 'new', 'newest'];
  const { api, sent } = scripted(
    [refusal(401, 'unauthenticated'), message(), refusal(401, 'unauthenticated'), refusal(401, 'unauthenticated')],
    {
      token: () => tokens.shift() ?? 'none',
    },
  );
  await api.getMessage('m-1');
  expect(sent.map(({ headers }) => headers['authorization'])).toEqual(['Bearer old', 'Bearer new']);
  await expect(api.getMessage('m-1')).rejects.toMatchObject({ code: 'unauthenticated' });
  expect(sent).toHaveLength(4);
});

it('an answer that is not of Parley is said to come from something in between', async () => {
  const { api } = scripted([new Response('<h1>Bad Gateway</h1>', { status: 502 })], { repeats: 0 });
  await expect(api.getMessage('m-1')).rejects.toMatchObject({
    code: 'unreachable',
    message: 'something between here and Parley answered 502',
  });
});

it('all messages of a conversation are read page by page, up to the newest', async () => {
  const page = (seqs: number[]) => Response.json({ items: seqs.map((seq) => ({ seq })), headSeq: 3 });
  const { api, sent } = scripted([page([1, 2]), page([3])]);
  const seqs: number[] = [];
  for await (const { seq } of api.eachMessage('c 1')) seqs.push(seq);
  expect(seqs).toEqual([1, 2, 3]);
  expect(sent.map(({ url }) => url)).toEqual([
    'http://parley.test/v1/conversations/c%201/messages?afterSeq=0&limit=200',
    'http://parley.test/v1/conversations/c%201/messages?afterSeq=2&limit=200',
  ]);
});

it('the URL of something else is refused', () => {
  expect(() => new ParleyApi({ url: 'ws://localhost:8081', token: '' })).toThrow(TypeError);
});
