import { afterAll, beforeAll, inject } from 'vitest';
import { PostgresFriendshipStore } from '#lib/scores/friendship/adapters/postgres-friendship-store';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { exactlyOnceContract, seedsOfRun } from './exactly-once.contract.js';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

const emptied = async () => {
  await database.lane('work').query('TRUNCATE friendship_statuses, score_changes');
  return new PostgresFriendshipStore(database.lane('reads'), database.dataSource);
};

exactlyOnceContract('Postgres', emptied, seedsOfRun(4));
