import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

// The full table is with the gateway. Here: that the real process, over a real socket, refuses the same way and stores nothing.

let parley: RunningParley;
let alice: ParleyClient;
let conversationId: string;
let path: string;

beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
  alice = await parley.client('alice');
  conversationId = (await alice.createConversation({ memberIds: [] })).id;
  path = `/v1/conversations/${conversationId}/messages`;
});
afterAll(() => parley.stop());

const json = { 'content-type': 'application/json' };
const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"alice","aud":"parley"}').toString('base64url')}.`;

it.each<[name: string, status: number, code: string, send: () => Promise<{ status: number; headers: Headers; body: unknown }>]>([
  ['broken JSON', 400, 'validation', () => alice.requestRaw('POST', path, '{"content":', json)],
  ['a wrong type', 400, 'validation', () => alice.request('POST', path, { content: 42 })],
  ['an unknown field', 400, 'validation', () => alice.request('POST', path, { content: 'x', seq: 1 })],
  ['16,385 characters', 400, 'validation', () => alice.request('POST', path, { content: 'x'.repeat(16_385) })],
  ['U+0000', 400, 'validation', () => alice.requestRaw('POST', path, '{"content":"a\\u0000b"}', json)],
  ['a lone surrogate', 400, 'validation', () => alice.requestRaw('POST', path, '{"content":"a\\ud800b"}', json)],
  ['10 MB and one byte', 413, 'payload-too-large', () => alice.requestRaw('POST', path, Buffer.alloc(10_485_761, 0x20), json)],
  [
    'a key of 256 characters',
    400,
    'validation',
    () => alice.request('POST', path, { content: 'x' }, { 'idempotency-key': 'k'.repeat(256) }),
  ],
  [
    'an unknown conversation',
    404,
    'not-found',
    () => alice.request('POST', path.replace(conversationId, crypto.randomUUID()), { content: 'x' }),
  ],
  ['alg: none', 401, 'unauthenticated', () => alice.request('POST', path, { content: 'x' }, { authorization: `Bearer ${unsigned}` })],
  [
    'an expired token',
    401,
    'unauthenticated',
    async () => {
      const token = await parley.tokenOf({ user: 'alice', ttlSeconds: -60 });
      return alice.request('POST', path, { content: 'x' }, { authorization: `Bearer ${token}` });
    },
  ],
])('the gateway refuses %s with %i %s and stores nothing', async (_, status, code, send) => {
  const answer = await send();
  expect(answer).toMatchObject({ status, body: { status, code } });
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect((await alice.messages(conversationId)).headSeq).toBe(0);
});
