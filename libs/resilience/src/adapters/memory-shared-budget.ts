import { LRUCache } from 'lru-cache';
import {
  type BudgetNumbers,
  budgetNumbers,
  type BudgetRequest,
  type BudgetVerdict,
  HALVED_ONCE_WITHIN_MS,
  MIN_PER_MINUTE,
  RECOVERY_MS,
  SharedBudgetPort,
} from '../limit/shared-budget.port.js';

const MINUTE_MS = 60_000;
/** Sums of fractions: a token that is there but for a millionth is there. */
const TOLERANCE = 1e-6;
// A caller that is pushed out is one that was not seen for long.
const MAX_CALLERS = 10_000;

interface Bucket {
  tokens: number;
  at: number;
}

/** The budget of a single node, and what is left when Redis is out. */
export class MemorySharedBudget extends SharedBudgetPort {
  private readonly numbers: BudgetNumbers;
  private readonly bucket: Bucket;
  private readonly callers = new LRUCache<string, Bucket>({ max: MAX_CALLERS });
  private rate: number;
  private rateAt: number;
  private halvedAt = Number.NEGATIVE_INFINITY;
  private quietUntil = 0;

  /** @param now milliseconds of a clock that is never set back. */
  constructor(
    perMinute: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    super();
    this.numbers = budgetNumbers(perMinute);
    this.bucket = { tokens: this.numbers.burst, at: now() };
    this.rate = perMinute;
    this.rateAt = now();
  }

  take(request: BudgetRequest): Promise<BudgetVerdict> {
    return Promise.resolve(this.takeNow(request));
  }

  slowDown(quietMs = 0): Promise<void> {
    const now = this.now();
    if (now - this.halvedAt >= HALVED_ONCE_WITHIN_MS) {
      this.rate = Math.max(MIN_PER_MINUTE, this.perMinute / 2);
      this.rateAt = now;
      this.halvedAt = now;
    }
    this.bucket.tokens = 0;
    this.bucket.at = now;
    this.quietUntil = Math.max(this.quietUntil, now + quietMs);
    return Promise.resolve();
  }

  get perMinute(): number {
    const recovered = (this.now() - this.rateAt) * (this.numbers.perMinute / RECOVERY_MS);
    return Math.min(this.numbers.perMinute, this.rate + recovered);
  }

  private takeNow({ caller, lane }: BudgetRequest): BudgetVerdict {
    const { burst, callerBurst, callerPerMinute, needed } = this.numbers;
    const now = this.now();
    const own = this.callers.get(caller) ?? { tokens: callerBurst, at: now };
    refill(own, callerBurst, callerPerMinute, now);
    refill(this.bucket, burst, this.perMinute, now);
    const callerWaitMs = waitFor(1, own, callerPerMinute);
    if (callerWaitMs > 0) return { granted: false, whose: 'caller', waitMs: callerWaitMs };
    const waitMs = Math.max(this.quietUntil - now, waitFor(needed[lane], this.bucket, this.perMinute));
    if (waitMs > 0) return { granted: false, whose: 'all', waitMs };
    own.tokens -= 1;
    this.bucket.tokens -= 1;
    this.callers.set(caller, own);
    return { granted: true };
  }
}

const refill = (bucket: Bucket, burst: number, perMinute: number, now: number): void => {
  bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) * perMinute) / MINUTE_MS);
  bucket.at = now;
};

const waitFor = (needed: number, { tokens }: Bucket, perMinute: number): number =>
  tokens >= needed - TOLERANCE ? 0 : ((needed - tokens) * MINUTE_MS) / perMinute;
