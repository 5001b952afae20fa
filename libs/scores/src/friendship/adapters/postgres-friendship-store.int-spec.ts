import { afterAll, beforeAll, inject } from 'vitest';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { PostgresConversationEndStore } from '../../ends/adapters/postgres-conversation-end-store.js';
import { friendshipStoreContract } from '../friendship-store.contract.js';
import { PostgresFriendshipStore } from './postgres-friendship-store.js';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

friendshipStoreContract('PostgresFriendshipStore', async () => {
  await database.lane('work').query('TRUNCATE conversation_ends, friendship_statuses CASCADE');
  const ends = new PostgresConversationEndStore(database.dataSource);
  return {
    store: new PostgresFriendshipStore(database.lane('reads'), database.dataSource),
    addEnd: async ({ endId, userId, conversationId }) =>
      void (await database.lane('work').query(
        `INSERT INTO conversation_ends (id, start_time, end_time, user_id, conversation_id, event_id, body_hash)
         VALUES ($1::uuid, now(), now(), $2, $3, $1::text, $1::text)`,
        [endId, userId, conversationId],
      )),
    erase: async (userId) => void (await ends.removeOf(userId, 1_000)),
    falsify: async (userId) =>
      void (await database.lane('work').query('UPDATE friendship_statuses SET score = score + 1 WHERE user_id = $1', [userId])),
  };
});
