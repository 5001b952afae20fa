import { expect, it, vi } from 'vitest';
import { mayBeEmptied } from '#lib/runtime/work/caches';
import { createLogger } from '#lib/runtime/log/logger';
import { LARGE_BODY_BYTES, MemoryPressure, memoryLimitBytes, memoryUse } from './memory-pressure.js';

const MB = 1_000_000;

const pressureAt = () => {
  const use = { residentBytes: 100 * MB, limitBytes: (1_000 * MB) as number | undefined, heapBytes: 50 * MB, heapLimitBytes: 4_000 * MB };
  const pressure = new MemoryPressure(() => use, createLogger('test', 'silent'));
  let clock = 0;
  return { use, sampleAfter: (ms: number) => pressure.sample((clock += ms)), pressure };
};

const cacheOf = () => {
  const cache = { clear: vi.fn<() => void>() };
  mayBeEmptied(cache);
  return cache;
};

it('memory pressure empties caches at 80 %, and not again for half a minute', () => {
  const cache = cacheOf();
  const { use, sampleAfter } = pressureAt();

  sampleAfter(1_000);
  expect(cache.clear).not.toHaveBeenCalled();
  use.residentBytes = 800 * MB;
  sampleAfter(1_000);
  sampleAfter(1_000);
  expect(cache.clear).toHaveBeenCalledTimes(1);
  sampleAfter(30_000);
  expect(cache.clear).toHaveBeenCalledTimes(2);
});

it('memory pressure refuses large bodies at 90 %, until it is below 85 %', () => {
  const { use, sampleAfter, pressure } = pressureAt();
  const allows = (residentBytes: number) => {
    use.residentBytes = residentBytes;
    sampleAfter(1_000);
    return [pressure.allowsBody(LARGE_BODY_BYTES), pressure.allowsBody(LARGE_BODY_BYTES + 1), pressure.allowsBody(undefined)];
  };

  expect(allows(890 * MB)).toEqual([true, true, true]);
  expect(allows(900 * MB)).toEqual([true, false, false]);
  expect(allows(860 * MB)).toEqual([true, false, false]);
  expect(allows(840 * MB)).toEqual([true, true, true]);
});

it('memory pressure watches the heap as well: it ends a process just as surely', () => {
  const { use, sampleAfter, pressure } = pressureAt();
  use.limitBytes = undefined;
  use.heapBytes = 3_700 * MB;

  sampleAfter(1_000);

  expect(pressure.allowsBody(MB)).toBe(false);
});

it('memory pressure shares the limit of a pod among its workers', () => {
  expect(memoryLimitBytes(1_200 * MB, 4)).toBe(300 * MB);
});

it('memory pressure measures this process', () => {
  const { residentBytes, heapBytes, heapLimitBytes } = memoryUse(undefined);

  expect(residentBytes).toBeGreaterThan(heapBytes / 2);
  expect(heapLimitBytes).toBeGreaterThan(heapBytes);
});

it('memory that cannot be read, because no descriptor is left, is judged by the heap', () => {
  const rss = vi.spyOn(process.memoryUsage, 'rss').mockImplementation(() => {
    throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
  });
  const use = memoryUse(1_000 * MB);
  rss.mockRestore();

  expect(use.residentBytes).toBeUndefined();
  expect(use.heapBytes).toBeGreaterThan(0);
  const pressure = new MemoryPressure(() => use, createLogger('test', 'silent'));
  pressure.sample();
  expect(pressure.allowsBody(undefined)).toBe(true);
});
