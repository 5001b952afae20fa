import { describe, expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { migratedDatabase } from '#lib/testing/migrated-database';
import { chunkLedgerContract } from '../chunk-ledger.contract.js';
import { PostgresChunkLedger } from './postgres-chunk-ledger.js';

chunkLedgerContract('PostgresChunkLedger', async () => {
  const database = await migratedDatabase(inject('stack').databaseUrl);
  return { ledger: new PostgresChunkLedger(database.lanes), stop: database.drop };
});

describe('the ledger in Postgres', () => {
  it('records a batch of 1,000 messages in one statement and can be read over another lane', async () => {
    const database = await migratedDatabase(inject('stack').databaseUrl);
    try {
      const entries = Array.from({ length: 1_000 }, () => ({
        messageId: newId(),
        version: 1,
        chunkCount: 1,
        model: 'local-lexical-v1',
        state: 'indexed' as const,
      }));
      expect(await new PostgresChunkLedger(database.lanes).record(entries)).toEqual([]);
      const [counted] = await database
        .lane('work')
        .query<{ xids: number }>('SELECT count(DISTINCT xmin::text)::int AS xids FROM message_chunks');
      expect(counted?.xids).toBe(1);
      const found = await new PostgresChunkLedger(database.lanes, 'reads').entriesOf(entries.map(({ messageId }) => messageId));
      expect(found.size).toBe(1_000);
    } finally {
      await database.drop();
    }
  });
});
