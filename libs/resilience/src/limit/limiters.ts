import type { RateLimit, RateLimiterPort } from './rate-limiter.port.js';

/** The rate limiters of a process that serves users: one bucket per user and kind of request, and one for all callers together. */
export interface Limiters {
  readonly perUser: RateLimiterPort;
  readonly global: RateLimiterPort;
}

/** Injection token of the {@link Limiters}. */
export const LIMITERS = Symbol('Limiters');

/** A bucket holds twice what flows in per second (R020), so a full one is the quota of two seconds. */
export const BURST_SECONDS = 2;

/** The limit of one user and kind of request: a burst of what flows in within 2 s, at least one request. */
export const userLimit = (ratePerSecond: number): RateLimit => ({
  ratePerSecond,
  burst: Math.max(1, Math.round(BURST_SECONDS * ratePerSecond)),
});

/** The limit of all callers together: a burst of what flows in within a second, at least one request. */
export const globalLimit = (ratePerSecond: number): RateLimit => ({ ratePerSecond, burst: Math.max(1, ratePerSecond) });
