import { afterAll, beforeAll, inject } from 'vitest';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { consistencyBoardContract } from '../consistency-board.contract.js';
import { PostgresConsistencyBoard } from './postgres-consistency-board.js';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

consistencyBoardContract('PostgresConsistencyBoard', async () => {
  await database.lane('work').query('TRUNCATE consistency_runs');
  return { board: new PostgresConsistencyBoard(database.lanes) };
});
