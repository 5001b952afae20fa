import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { pushStoreContract } from '../../push/push-store.contract.js';
import type { MemberDevice, MemberPlace } from '../../push/push-store.port.js';
import { PostgresPushStore } from './postgres-push-store.js';

const CONVERSATION = `INSERT INTO conversations (id, title, creator_id, head_seq, created_at, last_activity_at) VALUES ($1, $2, 'alice', $3, now(), now())`;
const MEMBERS = `INSERT INTO conversation_members (conversation_id, user_id, read_seq) SELECT $1, unnest($2::text[]), unnest($3::bigint[])`;
const MESSAGE = `INSERT INTO messages (id, conversation_id, seq, sender_id, content, created_at, deleted_at) VALUES ($1, $2, $3, $4, $5, now(), $6)`;

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

const query = (sql: string, values: readonly unknown[] = []) => database.lane('work').query(sql, values);
const clear = async () => void (await query('TRUNCATE conversations, conversation_members, messages, devices'));

pushStoreContract('PostgresPushStore', async () => ({
  store: new PostgresPushStore(database.lane('work')),
  addConversation: async ({ id, title, readSeqs, messages }) => {
    await query(CONVERSATION, [id, title, messages.length]);
    await query(MEMBERS, [id, Object.keys(readSeqs), Object.values(readSeqs)]);
    for (const [i, { senderId, content, isDeleted = false }] of messages.entries()) {
      await query(MESSAGE, [newId(), id, i + 1, senderId, content, isDeleted ? new Date() : null]);
    }
  },
  addDevice: async (userId, id, { provider, token }) =>
    void (await query('INSERT INTO devices (user_id, id, provider, token) VALUES ($1, $2, $3, $4)', [userId, id, provider, token])),
  clear,
}));

it('conversations with thousands of members are listed in pages, each member once', async () => {
  await clear();
  const [large, small] = [newId(), newId()].toSorted();
  for (const [id, count] of [
    [large, 9_000],
    [small, 3],
  ] as const) {
    await query(CONVERSATION, [id, null, 1]);
    await query(`INSERT INTO conversation_members (conversation_id, user_id) SELECT $1, 'user-' || n FROM generate_series(1, $2::int) n`, [
      id,
      count,
    ]);
  }
  // One of ten has a device: most of a page is members without one.
  await query(
    `INSERT INTO devices (user_id, id, provider, token) SELECT 'user-' || n, 'phone', 'fcm', n FROM generate_series(1, 9000, 10) n`,
  );
  const store = new PostgresPushStore(database.lane('work'));
  const messages = [large, small].map((conversationId) => ({ conversationId: conversationId ?? '', senderId: 'user-11' }));
  const found: MemberDevice[] = [];
  let next: MemberPlace | undefined;
  let pages = 0;
  do {
    const page = await store.devicesOf(messages, next);
    found.push(...page.devices);
    ({ next } = page);
    pages += 1;
  } while (next !== undefined);
  expect(new Set(found.map(({ conversationId, userId }) => `${conversationId} ${userId}`)).size).toBe(found.length);
  expect([found.length, pages]).toEqual([899 + 1, 5]);
});
