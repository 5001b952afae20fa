import { afterAll, beforeAll, inject } from 'vitest';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { friendshipStoreContract } from '../friendship-store.contract.js';
import { PostgresFriendshipStore } from './postgres-friendship-store.js';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

friendshipStoreContract('PostgresFriendshipStore', async () => {
  await database.lane('work').query('TRUNCATE friendship_statuses, score_changes');
  return {
    store: new PostgresFriendshipStore(database.lane('reads'), database.dataSource),
    falsify: async (userId) =>
      void (await database.lane('work').query('UPDATE friendship_statuses SET score = score + 1 WHERE user_id = $1', [userId])),
  };
});
