import { afterAll, beforeAll, inject } from 'vitest';
import { PostgresConversationEndStore } from '#lib/scores/ends/adapters/postgres-conversation-end-store';
import { PostgresFriendshipStore } from '#lib/scores/friendship/adapters/postgres-friendship-store';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { exactlyOnceContract, seedsOfRun } from './exactly-once.contract.js';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

const emptied = async () => {
  await database.lane('work').query('TRUNCATE conversation_ends, friendship_statuses CASCADE');
  return {
    ends: new PostgresConversationEndStore(database.dataSource),
    friendship: new PostgresFriendshipStore(database.lane('reads'), database.dataSource),
  };
};

exactlyOnceContract('Postgres', emptied, seedsOfRun(4));
