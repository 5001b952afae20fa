import { afterAll, beforeAll, inject } from 'vitest';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { consistencyRunsContract } from '../consistency-runs.contract.js';
import { PostgresConsistencyRuns } from './postgres-consistency-runs.js';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

consistencyRunsContract('PostgresConsistencyRuns', async () => {
  await database.lane('work').query('TRUNCATE consistency_runs');
  return { runs: new PostgresConsistencyRuns(database.dataSource) };
});
