import { LRUCache } from 'lru-cache';
import { type RateLimit, RateLimiterPort, type RateVerdict, rateVerdict, unlimited } from '../limit/rate-limiter.port.js';

// About 10 MB. A key that is pushed out is one that was not seen for long; it starts again with a full bucket.
const MAX_KEYS = 100_000;

/** Counts in this process: the limiter of a single node, and what is left when Redis is out. */
export class MemoryRateLimiter extends RateLimiterPort {
  /** The instant at which the bucket of a key is full again, in milliseconds of `performance.now()`. */
  // Bounded by `maxSize`: for `max` LRUCache sets aside 3 MB at once, and most limiters never see more than a few keys.
  private readonly fullAt = new LRUCache<string, number>({ maxSize: MAX_KEYS, sizeCalculation: () => 1 });

  constructor(private readonly limit: RateLimit) {
    super();
  }

  take(key: string, count = 1): Promise<RateVerdict> {
    return Promise.resolve(this.takeNow(key, count));
  }

  refund(key: string, count = 1): void {
    const fullAt = this.fullAt.get(key);
    if (fullAt !== undefined) this.fullAt.set(key, fullAt - (count * 1_000) / this.limit.ratePerSecond);
  }

  private takeNow(key: string, count: number): RateVerdict {
    const { ratePerSecond, burst } = this.limit;
    if (ratePerSecond <= 0) return unlimited('local');
    const perTokenMs = 1_000 / ratePerSecond;
    const now = performance.now();
    const before = Math.max(this.fullAt.get(key) ?? now, now);
    const after = before + count * perTokenMs;
    // A microsecond of tolerance: ten times 200 is not exactly 2,000 in floating point sums.
    const allowed = after - now <= burst * perTokenMs + 0.001;
    if (allowed) this.fullAt.set(key, after);
    return rateVerdict(this.limit, allowed, (allowed ? after : before) - now, 'local');
  }
}
