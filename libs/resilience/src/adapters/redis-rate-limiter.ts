import { beginWait } from '#lib/runtime/work/work-registry';
import { type RateLimit, RateLimiterPort, type RateVerdict, rateVerdict, unlimited } from '../limit/rate-limiter.port.js';
import { MemoryRateLimiter } from './memory-rate-limiter.js';
import { LIMIT_OPERATION, type RedisBuckets } from './redis-buckets.js';

// Without the shared count a pod cannot know how many others count locally: two of them together allow what is allowed.
const LOCAL_SHARE = 0.5;

/**
 * One count over all processes, in Redis. While Redis is out, refuses or is late (50 ms), this process counts by itself against its part of
 * half the limit (law 5: local and stricter, never open).
 */
export class RedisRateLimiter extends RateLimiterPort {
  private readonly local: MemoryRateLimiter;

  /**
   * @param scope keeps the buckets of several limiters apart, e.g. `user`.
   * @param workers processes of this pod (WEB_CONCURRENCY): each counts by itself while Redis is out.
   */
  constructor(
    private readonly buckets: RedisBuckets,
    private readonly scope: string,
    private readonly limit: RateLimit,
    workers = 1,
  ) {
    super();
    const share = LOCAL_SHARE / workers;
    this.local = new MemoryRateLimiter({
      ratePerSecond: limit.ratePerSecond * share,
      burst: Math.max(1, Math.floor(limit.burst * share)),
    });
  }

  take(key: string, count = 1): Promise<RateVerdict> {
    if (this.limit.ratePerSecond <= 0) return Promise.resolve(unlimited('shared'));
    const wait = beginWait('redis', LIMIT_OPERATION); // the call itself runs for many, so it is in the name of none of them
    const { promise, resolve } = Promise.withResolvers<RateVerdict>();
    this.buckets.take(this.keyOf(key), this.limit, count, (verdict) => {
      wait?.end();
      resolve(verdict === undefined ? this.local.take(key, count) : rateVerdict(this.limit, verdict.allowed, verdict.fullInMs, 'shared'));
    });
    return promise;
  }

  refund(key: string, count = 1): void {
    if (this.limit.ratePerSecond > 0) this.buckets.take(this.keyOf(key), this.limit, -count);
  }

  private keyOf(key: string): string {
    return `parley:limit:${this.scope}:${key}`;
  }
}
