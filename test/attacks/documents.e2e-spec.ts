import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

// Families S2 (size), S4 (strange texts) and S9 (quotas), for documents.

let parley: RunningParley;
let mallory: ParleyClient;
let conversationId: string;

beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
  mallory = await parley.client('mallory');
  conversationId = (await mallory.createConversation({ memberIds: [] })).id;
});
afterAll(() => parley.stop());

const upload = (content: string, facts: object = {}) =>
  mallory.request('POST', '/v1/documents', { conversationId, title: 'x', content, ...facts });

const storedCount = async (): Promise<number> => {
  const client = new Client({ connectionString: parley.databaseUrl });
  await client.connect();
  try {
    return Number((await client.query<{ count: string }>('SELECT count(*) FROM documents')).rows[0]?.count);
  } finally {
    await client.end();
  }
};

describe('a document', () => {
  it.each([
    ['of a byte too much', 'x'.repeat(10_485_760), {}, 413],
    ['without text', '', {}, 400],
    ['with U+0000', 'a\u0000b', {}, 400],
    ['with a control character behind a megabyte', `${'x'.repeat(1_000_000)}\u0007`, {}, 400],
    ['with half of a surrogate pair', `${'x'.repeat(100_000)}\ud800`, {}, 400],
    ['with thousands of combining marks', `a${'\u0301'.repeat(50_000)}`, {}, 400],
    ['without a visible character', '\u200b\u2060 \n'.repeat(10_000), {}, 400],
    ['with an open override in its title', 'fine', { title: '\u202eevil' }, 400],
    ['with a field that it does not have', 'fine', { ownerId: 'alice' }, 400],
    ['of no conversation', 'fine', { conversationId: 'not-an-id' }, 400],
  ])('%s is refused, and nothing of it is stored', async (_, content, facts, status) => {
    const before = await storedCount();
    expect((await upload(content, facts)).status).toBe(status);
    expect(await storedCount()).toBe(before);
  });

  it.each([
    ['one word of a megabyte', 'x'.repeat(1_000_000)],
    ['nothing but emoji', '👩‍👩‍👧‍👦'.repeat(20_000)],
    ['as many marks as are allowed', `a${'\u0301\u0323'.repeat(15)} `.repeat(10_000)],
    ['quotes, braces and backslashes', `{"a":'\\\\'},NULL\n`.repeat(20_000)],
    ['both directions', 'שלום world مرحبا '.repeat(20_000)],
  ])('of %s is indexed like any other', { timeout: 90_000 }, async (_, content) => {
    const { status, body } = await upload(content);
    expect(status).toBe(202);
    const { id } = body as { id: string };
    await eventually(async () => expect((await mallory.request('GET', `/v1/documents/${id}`)).body).toMatchObject({ state: 'done' }), {
      timeoutMs: 60_000,
      everyMs: 200,
    });
  });

  it('is refused with 429 when too many of its owner wait, and others may go on', async () => {
    await parley.embedding.stop();
    const statuses = new Set<number>();
    for (let i = 0; i < 22; i += 1) statuses.add((await upload(`number ${i}`)).status);
    expect([...statuses]).toEqual([202, 429]);
    const bob = await parley.client('bob');
    const other = (await bob.createConversation({ memberIds: [] })).id;
    const document = { conversationId: other, title: 'x', content: 'fine' };
    expect((await bob.request('POST', '/v1/documents', document)).status).toBe(202);
  });
});
