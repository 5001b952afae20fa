import { afterAll, beforeAll, inject } from 'vitest';
import { OutboxEntity } from '#lib/database/adapters/entities/outbox.entity';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { jobStoreContract } from '../job-store.contract.js';
import { PostgresJobStore } from './postgres-job-store.js';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

jobStoreContract('PostgresJobStore', async () => {
  await database.lane('work').query('TRUNCATE jobs, outbox');
  return {
    store: new PostgresJobStore(database.dataSource),
    announced: async () => (await database.dataSource.getRepository(OutboxEntity).find()).map(({ eventId }) => eventId),
  };
});
