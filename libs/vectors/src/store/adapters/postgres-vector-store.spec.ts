import { expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { DependencyError } from '#lib/resilience/call/errors';
import { PostgresVectorStore } from './postgres-vector-store.js';

it('a search that Postgres fails leaves nothing behind that later writes have to look at', async () => {
  const away = new DependencyError('postgres', 'work', 'unavailable');
  const lane = { query: () => Promise.reject(away) } as unknown as PostgresLane;
  const store = new PostgresVectorStore(lane, { model: 'local', dimension: 2, cacheBytes: 1_000 });
  for (let i = 0; i < 3; i += 1) await expect(store.nearest(new Float32Array([1, 0]), [newId()], 5)).rejects.toBe(away);
  expect(store['held'].readingCount).toBe(0);
});
