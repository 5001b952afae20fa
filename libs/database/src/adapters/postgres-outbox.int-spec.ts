import { afterAll, beforeAll, inject } from 'vitest';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { inboxContract } from '../inbox.contract.js';
import { outboxContract } from '../outbox.contract.js';
import { PostgresInbox } from './postgres-inbox.js';
import { PostgresOutbox } from './postgres-outbox.js';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(async () => database.drop());

outboxContract(async () => {
  await database.lane('work').query('TRUNCATE outbox');
  return {
    outbox: new PostgresOutbox(database.lane('relay')),
    write: async (event, headers) => {
      await database
        .lane('work')
        .query('INSERT INTO outbox (event_id, routing_key, envelope, headers) VALUES ($1, $2, $3, $4)', [
          event.eventId,
          event.type,
          event,
          headers,
        ]);
    },
  };
});

inboxContract(async () => {
  await database.lane('work').query('TRUNCATE inbox');
  return new PostgresInbox(database.lane('work'));
});
