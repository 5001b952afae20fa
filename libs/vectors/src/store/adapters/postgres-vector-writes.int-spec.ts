import { inject } from 'vitest';
import { migratedDatabase } from '#lib/testing/migrated-database';
import { vectorWritesContract } from '../vector-writes.contract.js';
import { PostgresVectorWrites } from './postgres-vector-writes.js';

vectorWritesContract('PostgresVectorWrites', async () => {
  const database = await migratedDatabase(inject('stack').databaseUrl);
  return { writes: new PostgresVectorWrites(database.lane('work')), stop: database.drop };
});
