import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { checkConsistency, consistent } from '#lib/testing/consistency-checker';
import { eventually } from '#lib/testing/eventually';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { SendJournal } from '#lib/testing/send-journal';

let parley: RunningParley;
beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
});
afterAll(() => parley.stop());

describe('the gateway', () => {
  it('stores one message for 50 connections that use the same idempotency key', async () => {
    const alice = await parley.client('alice');
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    const path = `/v1/conversations/${conversationId}/messages`;
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => alice.request('POST', path, { content: 'only once' }, { 'idempotency-key': 'the-same-key' })),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    expect(new Set(answers.map(({ body }) => (body as { id: string }).id)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true')).toHaveLength(49);
    const { items, headSeq } = await alice.messages(conversationId);
    expect({ headSeq, seqs: items.map(({ seq }) => seq) }).toEqual({ headSeq: 1, seqs: [1] });
    expect(await rowsOf(conversationId)).toBe(1);

    const other = await alice.request('POST', path, { content: 'something else' }, { 'idempotency-key': 'the-same-key' });
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } });
    expect(await rowsOf(conversationId)).toBe(1);
  });

  it('numbers the messages of 100 senders in 20 conversations 1, 2, 3, ... without a gap, and gives each its vectors', async () => {
    const names = Array.from({ length: 100 }, (_, i) => `user-${i}`);
    const clients = await Promise.all(names.map((name) => parley.client(name)));
    const host = await parley.client('host');
    const conversations = await Promise.all(Array.from({ length: 20 }, () => host.createConversation({ memberIds: names })));
    const journal = new SendJournal();
    await Promise.all(
      clients.flatMap((client, sender) =>
        Array.from({ length: 5 }, (_, turn) => {
          const conversation = conversations[(sender * 7 + turn) % conversations.length];
          return journal.send(client, conversation?.id ?? '', `message ${turn} of sender ${sender}`);
        }),
      ),
    );
    expect(journal.acknowledged).toHaveLength(500);
    await eventually(async () => expect(await checkConsistency(parley, journal.entries)).toEqual(consistent), {
      timeoutMs: 30_000,
      everyMs: 500,
    });
  });
});

async function rowsOf(conversationId: string): Promise<number> {
  const client = new Client({ connectionString: parley.databaseUrl, connectionTimeoutMillis: 5_000, query_timeout: 5_000 });
  await client.connect();
  try {
    const { rows } = await client.query<{ count: number }>('select count(*)::int from messages where conversation_id = $1', [
      conversationId,
    ]);
    return rows[0]?.count ?? 0;
  } finally {
    await client.end();
  }
}
