import { inject } from 'vitest';
import { journalContract } from '#lib/bus/journal/journal.contract';
import { migratedDatabase } from '#lib/testing/migrated-database';
import { PostgresJournal } from './postgres-journal.js';

journalContract('PostgresJournal', async () => {
  const database = await migratedDatabase(inject('stack').databaseUrl);
  const make = () => new PostgresJournal(database.lane('work'));
  return { journal: make(), again: make, stop: database.drop };
});
