import { afterEach, expect, it } from 'vitest';
import { type PoolState, poolReports, samplePools, stuckPools, watchPool } from './pools.js';

let forget: () => void = () => undefined;
afterEach(() => forget());

const pool = (state: PoolState): { -readonly [Key in keyof PoolState]: PoolState[Key] } => {
  const now = { ...state };
  forget = watchPool('postgres.sends', () => now);
  return now;
};

it('a pool is stuck when all places are taken, work waits, and none is given back', () => {
  pool({ size: 2, inUse: 2, waiting: 1, releases: 7 });

  samplePools(0);
  samplePools(20_000);

  expect(stuckPools(20_000, 20_000)).toEqual(['postgres.sends']);
  // Other files of this process have pools of their own.
  const reports = poolReports(20_000).filter(({ size, releases }) => size === 2 && releases === 7);
  expect(reports).toEqual([{ name: 'postgres.sends', size: 2, inUse: 2, waiting: 1, releases: 7, exhaustedForMs: 20_000 }]);
});

it('a pool is busy, not stuck, as long as places change hands', () => {
  const state = pool({ size: 2, inUse: 2, waiting: 50, releases: 0 });

  for (let now = 0; now <= 60_000; now += 10_000) {
    state.releases += 1;
    samplePools(now);
  }

  expect(stuckPools(20_000, 60_000)).toEqual([]);
});

it('a pool may be held by long work that no other work waits behind', () => {
  pool({ size: 1, inUse: 1, waiting: 0, releases: 0 });

  samplePools(0);
  samplePools(60_000);

  expect(stuckPools(20_000, 60_000)).toEqual([]);
});

it('a pool remembers that work waited, also when it gave up between two samples', () => {
  const state = pool({ size: 1, inUse: 1, waiting: 1, releases: 0 });

  samplePools(0);
  state.waiting = 0;
  samplePools(20_000);

  expect(stuckPools(20_000, 20_000)).toEqual(['postgres.sends']);
});

it('a pool is well again after the first place that is given back', () => {
  const state = pool({ size: 1, inUse: 1, waiting: 1, releases: 0 });
  samplePools(0);
  samplePools(20_000);

  state.inUse = 0;
  samplePools(20_500);

  expect(stuckPools(20_000, 20_500)).toEqual([]);
});
