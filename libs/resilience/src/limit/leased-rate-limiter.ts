import { NO_CALLER, runInScope } from '#lib/runtime/log/scope';
import { type RateLimit, RateLimiterPort, type RateVerdict } from './rate-limiter.port.js';

// A hundredth of a second's quota: a hundred round trips per second cost nothing, and so small an excess after a pause does no harm.
const SHARE = 0.01;
// A lease that is not used expires after this: the bucket has refilled by then.
const VALID_MS = 1_000;
/** Leases that may be asked for at once: as much as a tenth of a second's quota is on its way then. */
const MAX_ASKED = 10;

interface Waiter {
  readonly count: number;
  readonly answer: (verdict: RateVerdict | Promise<RateVerdict>) => void;
}

/** What this process holds of one key. */
interface Holding {
  left: number;
  endsAt: number;
  verdict: RateVerdict | undefined;
  /** Leases on their way. */
  asked: number;
  /** Tokens granted so far, and how many of them while the last lease was on its way. */
  granted: number;
  perTrip: number;
  readonly waiters: Waiter[];
  /** Tokens that they wait for. */
  waitedFor: number;
}

/**
 * Leases tokens of another limiter in bulk and grants them without a round trip: for the one bucket of all requests.
 * Prefetches the next lease before the last one is used up, several at once when many wait. Exact to the leases that one process holds.
 */
export class LeasedRateLimiter extends RateLimiterPort {
  private readonly size: number;
  private readonly holdings = new Map<string, Holding>();

  /** @param limit the limit of `source`. Keys must be few: each has its leases here. */
  constructor(
    private readonly source: RateLimiterPort,
    { ratePerSecond, burst }: RateLimit,
  ) {
    super();
    this.size = Math.max(1, Math.floor(Math.min(ratePerSecond * SHARE, burst)));
  }

  take(key: string, count = 1): Promise<RateVerdict> {
    if (count >= this.size) return this.source.take(key, count);
    const holding = this.holdingOf(key);
    const verdict = holding.waiters.length === 0 ? grant(holding, count) : undefined;
    if (verdict !== undefined) {
      this.refill(key, holding);
      return Promise.resolve(verdict);
    }
    const { promise, resolve: answer } = Promise.withResolvers<RateVerdict>();
    holding.waiters.push({ count, answer });
    holding.waitedFor += count;
    this.refill(key, holding);
    return promise;
  }

  refund(key: string, count = 1): void {
    if (count >= this.size) return this.source.refund(key, count);
    const holding = this.holdings.get(key);
    if (holding !== undefined) holding.left += count;
  }

  private holdingOf(key: string): Holding {
    let holding = this.holdings.get(key);
    if (holding === undefined) {
      holding = { left: 0, endsAt: 0, verdict: undefined, asked: 0, granted: 0, perTrip: 0, waiters: [], waitedFor: 0 };
      this.holdings.set(key, holding);
    }
    if (performance.now() >= holding.endsAt) holding.left = 0;
    return holding;
  }

  /** Asks for as many leases as those who wait need, and as will be used until they are here, at least half a one. */
  private refill(key: string, holding: Holding): void {
    const wanted = holding.waitedFor + Math.max(this.size / 2, holding.perTrip);
    while (holding.asked < MAX_ASKED && holding.left + holding.asked * this.size < wanted) {
      holding.asked += 1;
      // Outside any caller's deadline and context: the caller that triggers it may have less time left than others that wait for the same lease.
      void runInScope(NO_CALLER, () => this.lease(key, holding));
    }
  }

  private async lease(key: string, holding: Holding): Promise<void> {
    const before = holding.granted;
    const verdict = await this.source.take(key, this.size);
    holding.asked -= 1;
    if (!verdict.allowed) {
      // A whole lease was refused: the last few tokens are asked for one by one.
      holding.waitedFor = 0;
      for (const { count, answer } of holding.waiters.splice(0)) answer(this.source.take(key, count));
      return;
    }
    holding.perTrip = holding.granted - before;
    const now = performance.now();
    holding.left = (now < holding.endsAt ? holding.left : 0) + this.size;
    holding.endsAt = now + VALID_MS;
    holding.verdict = verdict;
    this.serve(holding);
    if (holding.waiters.length > 0) this.refill(key, holding);
  }

  private serve(holding: Holding): void {
    for (;;) {
      const [first] = holding.waiters;
      const verdict = first === undefined ? undefined : grant(holding, first.count);
      if (first === undefined || verdict === undefined) return;
      holding.waiters.shift();
      holding.waitedFor -= first.count;
      first.answer(verdict);
    }
  }
}

const grant = (holding: Holding, count: number): RateVerdict | undefined => {
  if (holding.verdict === undefined || holding.left < count) return undefined;
  holding.left -= count;
  holding.granted += count;
  return holding.verdict;
};
