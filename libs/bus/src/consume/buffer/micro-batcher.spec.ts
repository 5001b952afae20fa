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
  const gathering = (limits: { size: number; waitMs: number }) => {
    const batches: number[][] = [];
    const gather = new MicroBatcher<number>(limits, () => {
      for (let batch = gather.take(1_000); batch.length > 0; batch = gather.take(1_000)) batches.push(batch);
    });
    return { gather, batches };
  };

  it('a full batch is due at once', () => {
    const { gather, batches } = gathering({ size: 3, waitMs: 1_000 });
    for (const item of [1, 2, 3, 4]) gather.add(item);
    expect(batches).toEqual([[1, 2, 3]]);
    expect(gather.count).toBe(1);
  });

  it('the wait counts from the first item, however many trickle in', () => {
    const { gather, batches } = gathering({ size: 100, waitMs: 50 });
    for (let item = 1; item <= 10; item += 1) {
      gather.add(item);
      vi.advanceTimersByTime(10);
    }
    expect(batches[0]).toEqual([1, 2, 3, 4, 5]);
  });

  it('a later item waits anew', () => {
    const { gather, batches } = gathering({ size: 100, waitMs: 50 });
    gather.add(1);
    vi.advanceTimersByTime(60);
    gather.add(2);
    vi.advanceTimersByTime(40);
    expect(batches).toEqual([[1]]);
    vi.advanceTimersByTime(15);
    expect(batches).toEqual([[1], [2]]);
  });

  it('a due batch waits until the consumer has room', () => {
    const told: number[] = [];
    const gather = new MicroBatcher<number>({ size: 2, waitMs: 10 }, () => told.push(performance.now()));
    gather.add(1);
    gather.add(2);
    gather.add(3);
    vi.advanceTimersByTime(100);
    expect(gather.take(1)).toEqual([1]);
    expect(gather.take(5)).toEqual([2, 3]);
    expect(told.length).toBeGreaterThan(0);
  });

  it('a batch that is not due is not taken', () => {
    const { gather } = gathering({ size: 2, waitMs: 10 });
    gather.add(1);
    expect(gather.take(10)).toEqual([]);
  });

  it('an item that is put back goes behind the others, without a wait of its own', () => {
    const { gather, batches } = gathering({ size: 10, waitMs: 50 });
    gather.add(1);
    gather.putBack([9]);
    vi.advanceTimersByTime(60);
    expect(batches).toEqual([[1, 9]]);
    gather.putBack([8]);
    vi.advanceTimersByTime(5);
    expect(batches).toEqual([[1, 9], [8]]);
  });

  it('dropping items keeps the order of the rest', () => {
    const { gather, batches } = gathering({ size: 10, waitMs: 20 });
    for (const item of [1, 2, 3, 4]) gather.add(item);
    gather.drop((item) => item % 2 === 1);
    vi.advanceTimersByTime(30);
    expect(batches).toEqual([[2, 4]]);
  });

  it('a flushed batcher makes every item due at once', () => {
    const { gather, batches } = gathering({ size: 10, waitMs: 60_000 });
    gather.add(1);
    gather.flush();
    gather.add(2);
    expect(batches).toEqual([[1], [2]]);
  });
});
