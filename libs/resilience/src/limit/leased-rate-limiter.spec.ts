import { describe, expect, it } from 'vitest';
import { MemoryRateLimiter } from '../adapters/memory-rate-limiter.js';
import { remainingMs, withDeadline } from '../call/deadline.js';
import { LeasedRateLimiter } from './leased-rate-limiter.js';
import type { RateVerdict } from './rate-limiter.port.js';

class CountingLimiter extends MemoryRateLimiter {
  questions = 0;
  override take(key: string, count?: number) {
    this.questions += 1;
    return super.take(key, count);
  }
}

describe('a leased limit', () => {
  it('asks once for many requests, however many come at once', async () => {
    const limit = { ratePerSecond: 10_000, burst: 10_000 };
    const source = new CountingLimiter(limit);
    const leased = new LeasedRateLimiter(source, limit);
    const verdicts = await Promise.all(Array.from({ length: 1_000 }, () => leased.take('all')));
    expect(verdicts.every(({ allowed }) => allowed)).toBe(true);
    // Ten leases, and what is asked for ahead of the next such second.
    expect(source.questions).toBeLessThanOrEqual(20);
  });

  it('lets through exactly as much as its source has', async () => {
    const limit = { ratePerSecond: 0.001, burst: 250 };
    const wide = { ratePerSecond: 10_000, burst: 250 };
    // Leases of 100 on a bucket of 250 that does not refill: two leases, then the last fifty one by one.
    const leased = new LeasedRateLimiter(new CountingLimiter(limit), wide);
    const verdicts = [];
    for (let i = 0; i < 300; i += 1) verdicts.push(await leased.take('all'));
    expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(250);
  });

  it('keeps several processes within one lease each of the limit', async () => {
    const limit = { ratePerSecond: 0.001, burst: 1_000 };
    const source = new CountingLimiter(limit);
    const processes = [1, 2].map(() => new LeasedRateLimiter(source, { ratePerSecond: 10_000, burst: 1_000 }));
    let allowed = 0;
    for (let i = 0; i < 2_000; i += 1) if ((await processes[i % 2]?.take('all'))?.allowed) allowed += 1;
    expect(allowed).toBe(1_000);
  });

  it('asks for all callers outside the deadline of any of them', async () => {
    const limit = { ratePerSecond: 10_000, burst: 10_000 };
    const seen: number[] = [];
    class Watching extends MemoryRateLimiter {
      override take(key: string, count?: number) {
        seen.push(remainingMs());
        return super.take(key, count);
      }
    }
    const leased = new LeasedRateLimiter(new Watching(limit), limit);
    expect((await withDeadline(1_000, () => leased.take('all'))).allowed).toBe(true);
    expect(seen).toEqual([Number.POSITIVE_INFINITY]);
  });

  it('asks for several leases at once when many wait, and for the next one before the last is used up', async () => {
    const limit = { ratePerSecond: 500, burst: 500 };
    const asked: (() => void)[] = [];
    class Late extends MemoryRateLimiter {
      override take(key: string, count?: number) {
        return new Promise<RateVerdict>((resolve) => asked.push(() => resolve(super.take(key, count))));
      }
    }
    const leased = new LeasedRateLimiter(new Late(limit), limit);
    const verdicts = Promise.all(Array.from({ length: 30 }, () => leased.take('all')));
    // Thirty wait and a lease has five; one more is on its way for the next caller.
    expect(asked).toHaveLength(7);
    for (const answer of asked.splice(0)) answer();
    expect((await verdicts).every(({ allowed }) => allowed)).toBe(true);

    // No caller waits any more: what is on hand is handed out at once, however long the next lease takes.
    for (let i = 0; i < 5; i += 1) expect((await leased.take('all')).allowed).toBe(true);
    expect(asked.length).toBeGreaterThan(0);
  });

  it('hands out again what was given back', async () => {
    const limit = { ratePerSecond: 0.001, burst: 200 };
    const leased = new LeasedRateLimiter(new MemoryRateLimiter(limit), { ratePerSecond: 10_000, burst: 200 });
    for (let i = 0; i < 200; i += 1) expect((await leased.take('all')).allowed).toBe(true);
    leased.refund('all');
    expect((await leased.take('all')).allowed).toBe(true);
    expect((await leased.take('all')).allowed).toBe(false);
  });

  it('does not lease where the limit is small', async () => {
    const limit = { ratePerSecond: 5, burst: 10 };
    const leased = new LeasedRateLimiter(new MemoryRateLimiter(limit), limit);
    const verdicts = await Promise.all(Array.from({ length: 20 }, () => leased.take('all')));
    expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(10);
  });
});
