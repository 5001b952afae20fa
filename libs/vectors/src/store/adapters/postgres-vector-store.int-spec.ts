import { expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { migratedDatabase } from '#lib/testing/migrated-database';
import type { Chunk } from '../../chunking/chunk.js';
import { CONTRACT_DIMENSION, vectorStoreContract } from '../vector-store.contract.js';
import { PostgresVectorStore } from './postgres-vector-store.js';

/** With room for everything, and with room for nothing: each search reads then. */
for (const cacheBytes of [64_000_000, 0]) {
  vectorStoreContract(`PostgresVectorStore with ${cacheBytes} bytes in memory`, async () => {
    const database = await migratedDatabase(inject('stack').databaseUrl);
    const store = new PostgresVectorStore(database.lane('work'), { model: 'local', dimension: CONTRACT_DIMENSION, cacheBytes });
    await store.open();
    return { store, stop: database.drop };
  });
}

it('batches that have messages in common, each in its own order, do not wait for each other in a circle', async () => {
  const database = await migratedDatabase(inject('stack').databaseUrl);
  const lane = database.lane('work');
  const store = new PostgresVectorStore(lane, { model: 'local', dimension: 1, cacheBytes: 0 });
  await store.open();
  const conversationId = newId();
  const chunks = Array.from({ length: 100 }, newId).map((messageId): Chunk => {
    return { id: `${messageId}#chunk_0`, messageId, conversationId, senderId: 'alice', version: 1, seq: 1, createdAtMs: 0, text: '' };
  });
  const vectors = chunks.map(() => new Float32Array([1]));
  const write = (batch: readonly Chunk[]) => store.replace(batch, vectors, { removed: [], mayHaveOlder: [] });
  for (let round = 0; round < 20; round += 1) await Promise.all([write(chunks), write(chunks.toReversed())]);
  await lane.query('SELECT pg_stat_force_next_flush()');
  const [stat] = await lane.query<{ deadlocks: number }>('SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()');
  expect(stat).toEqual({ deadlocks: 0 });
  await database.drop();
});
