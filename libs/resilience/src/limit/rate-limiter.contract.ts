import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import type { RateLimit, RateLimiterPort, RateVerdict } from './rate-limiter.port.js';

/** What every rate limiter promises. `make` gives one whose keys no other test uses. */
export const rateLimiterContract = (policy: RateVerdict['policy'], make: (limit: RateLimit) => RateLimiterPort): void => {
  // What R020 asks for by default.
  const limit = { ratePerSecond: 5, burst: 10 };
  const takeMany = (limiter: RateLimiterPort, key: string, count: number) =>
    Promise.all(Array.from({ length: count }, () => limiter.take(key)));
  const allowed = (verdicts: RateVerdict[]) => verdicts.filter((verdict) => verdict.allowed).length;

  describe('as a rate limiter', () => {
    it('lets a burst through at once and refuses what comes on top', async () => {
      expect(allowed(await takeMany(make(limit), 'alice', 25))).toBe(10);
    });

    it('says what is left of the quota and when it is whole again', async () => {
      const limiter = make(limit);

      expect(await limiter.take('alice')).toEqual({ allowed: true, limit: 10, remaining: 9, resetSeconds: 1, policy });
      const rest = await takeMany(limiter, 'alice', 9);
      expect(rest.at(-1)).toEqual({ allowed: true, limit: 10, remaining: 0, resetSeconds: 2, policy });
    });

    it('tells a refused caller to come back in a second, not in zero', async () => {
      const limiter = make(limit);
      await takeMany(limiter, 'alice', 10);

      expect(await limiter.take('alice')).toEqual({ allowed: false, limit: 10, remaining: 0, resetSeconds: 1, policy });
    });

    it('has again what was given back', async () => {
      const limiter = make({ ratePerSecond: 0.01, burst: 10 });
      await takeMany(limiter, 'alice', 10);

      limiter.refund('alice', 3);

      expect(allowed(await takeMany(limiter, 'alice', 10))).toBe(3);
    });

    it('says how long a slow quota takes', async () => {
      const limiter = make({ ratePerSecond: 0.1, burst: 1 });
      await limiter.take('alice');

      expect(await limiter.take('alice')).toMatchObject({ allowed: false, resetSeconds: 10 });
    });

    it('allows one more as soon as one is due', async () => {
      const limiter = make(limit);
      const startedAt = performance.now();
      await takeMany(limiter, 'alice', 10);

      await eventually(async () => expect((await limiter.take('alice')).allowed).toBe(true), { everyMs: 5 });

      expect(performance.now() - startedAt).toBeGreaterThan(190);
    });

    it('holds the rate over any stretch of time, also for a caller who never pauses', async () => {
      // A burst of two seconds: what comes due while this machine stands still is not lost.
      const limiter = make({ ratePerSecond: 50, burst: 100 });
      const startedAt = performance.now();
      let passed = allowed(await takeMany(limiter, 'alice', 120));
      const emptiedAt = performance.now();
      let askedAt = emptiedAt;
      while (performance.now() - emptiedAt < 500) {
        await pause(1); // the load of this test, not a wait for anything
        askedAt = performance.now();
        passed += allowed(await takeMany(limiter, 'alice', 10));
      }

      const dueAfter = (ms: number) => 100 + 50 * (ms / 1_000);
      expect(passed).toBeLessThanOrEqual(dueAfter(performance.now() - startedAt) + 1);
      expect(passed).toBeGreaterThanOrEqual(dueAfter(askedAt - emptiedAt) - 2);
    });

    it('is not made worse by refused requests: who keeps trying is not locked out', async () => {
      const limiter = make(limit);
      await takeMany(limiter, 'alice', 100);

      await eventually(async () => expect((await limiter.take('alice')).allowed).toBe(true), { timeoutMs: 5_000, everyMs: 5 });
    });

    it('counts each key by itself', async () => {
      const limiter = make(limit);
      await takeMany(limiter, 'alice', 20);

      expect(allowed(await takeMany(limiter, 'bob', 10))).toBe(10);
    });

    it('gives each its own verdict when all ask at once', async () => {
      const limiter = make(limit);
      const [alice, bob, carol] = await Promise.all([
        takeMany(limiter, 'alice', 12),
        takeMany(limiter, 'bob', 3),
        takeMany(limiter, 'carol', 11),
      ]);

      expect([allowed(alice), allowed(bob), allowed(carol)]).toEqual([10, 3, 10]);
      expect(bob.at(-1)).toMatchObject({ remaining: 7 });
    });

    it('refuses no request when the limit is 0', async () => {
      const verdicts = await takeMany(make({ ratePerSecond: 0, burst: 0 }), 'alice', 1_000);

      expect(allowed(verdicts)).toBe(1_000);
    });

    it('can count faster than one per millisecond', async () => {
      expect(allowed(await takeMany(make({ ratePerSecond: 20_000, burst: 100 }), 'all', 100))).toBe(100);
    });
  });
};
