import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MicroBatcher } from './micro-batcher.js';

describe('MicroBatcher', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Takes whatever becomes due, at once. */
  const batching = (limits: { size: number; waitMs: number }) => {
    const batches: number[][] = [];
    const batcher = new MicroBatcher<number>(limits, () => {
      for (let batch = batcher.take(1_000); batch.length > 0; batch = batcher.take(1_000)) batches.push(batch);
    });
    return { batcher, batches };
  };

  it('a full batch is due at once', () => {
    const { batcher, batches } = batching({ size: 3, waitMs: 1_000 });
    for (const item of [1, 2, 3, 4]) batcher.add(item);
    expect(batches).toEqual([[1, 2, 3]]);
    expect(batcher.count).toBe(1);
  });

  it('the wait counts from the first item, however many trickle in', () => {
    const { batcher, batches } = batching({ size: 100, waitMs: 50 });
    for (let item = 1; item <= 10; item += 1) {
      batcher.add(item);
      vi.advanceTimersByTime(10);
    }
    expect(batches[0]).toEqual([1, 2, 3, 4, 5]);
  });

  it('a later item waits anew', () => {
    const { batcher, batches } = batching({ size: 100, waitMs: 50 });
    batcher.add(1);
    vi.advanceTimersByTime(60);
    batcher.add(2);
    vi.advanceTimersByTime(40);
    expect(batches).toEqual([[1]]);
    vi.advanceTimersByTime(15);
    expect(batches).toEqual([[1], [2]]);
  });

  it('a due batch waits until the consumer has room', () => {
    const told: number[] = [];
    const batcher = new MicroBatcher<number>({ size: 2, waitMs: 10 }, () => told.push(performance.now()));
    batcher.add(1);
    batcher.add(2);
    batcher.add(3);
    vi.advanceTimersByTime(100);
    expect(batcher.take(1)).toEqual([1]);
    expect(batcher.take(5)).toEqual([2, 3]);
    expect(told.length).toBeGreaterThan(0);
  });

  it('a batch that is not due is not taken', () => {
    const { batcher } = batching({ size: 2, waitMs: 10 });
    batcher.add(1);
    expect(batcher.take(10)).toEqual([]);
  });

  it('an item that is put back goes behind the others, without a wait of its own', () => {
    const { batcher, batches } = batching({ size: 10, waitMs: 50 });
    batcher.add(1);
    batcher.putBack([9]);
    vi.advanceTimersByTime(60);
    expect(batches).toEqual([[1, 9]]);
    batcher.putBack([8]);
    vi.advanceTimersByTime(5);
    expect(batches).toEqual([[1, 9], [8]]);
  });

  it('dropping items keeps the order of the rest', () => {
    const { batcher, batches } = batching({ size: 10, waitMs: 20 });
    for (const item of [1, 2, 3, 4]) batcher.add(item);
    batcher.drop((item) => item % 2 === 1);
    vi.advanceTimersByTime(30);
    expect(batches).toEqual([[2, 4]]);
  });

  it('a flushed batcher makes every item due at once', () => {
    const { batcher, batches } = batching({ size: 10, waitMs: 60_000 });
    batcher.add(1);
    batcher.flush();
    batcher.add(2);
    expect(batches).toEqual([[1], [2]]);
  });
});
