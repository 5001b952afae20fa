import { inject } from 'vitest';
import { migratedDatabase } from '#lib/testing/migrated-database';
import { messageSignalsContract } from '../message-signals.contract.js';
import { PostgresMessageSignals } from './postgres-message-signals.js';

messageSignalsContract('PostgresMessageSignals', async () => {
  const database = await migratedDatabase(inject('stack').databaseUrl);
  return { signals: new PostgresMessageSignals(database.lane('work')), stop: () => database.drop() };
});
