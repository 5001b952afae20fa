import { inject } from 'vitest';
import { migratedDatabase } from '#lib/testing/migrated-database';
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
