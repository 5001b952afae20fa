import { withoutDeadline } from './deadline.js';
import { type RateLimit, RateLimiterPort, type RateVerdict } from './rate-limiter.port.js';

// A hundredth of a second's quota: asking a hundred times per second is nothing, and this much too many after a pause hurts nobody.
const SHARE = 0.01;
// What a process leased and did not use is not worth remembering for longer: the bucket has it back by then.
const VALID_MS = 1_000;

interface Lease {
  left: number;
  readonly endsAt: number;
  readonly verdict: RateVerdict;
}

/**
 * Takes the tokens of another limiter in leases and hands them out without asking: for the one bucket that every request draws from,
 * where a round trip each would cost more than the limit protects. Exact to one lease per process.
 */
export class LeasedRateLimiter extends RateLimiterPort {
  private readonly size: number;
  private readonly leases = new Map<string, Lease>();
  private readonly asking = new Map<string, Promise<Lease | RateVerdict>>();

  /** @param limit the limit of `source`. Keys must be few: each has its lease here. */
  constructor(
    private readonly source: RateLimiterPort,
    { ratePerSecond, burst }: RateLimit,
  ) {
    super();
    this.size = Math.max(1, Math.floor(Math.min(ratePerSecond * SHARE, burst)));
  }

  async take(key: string, count = 1): Promise<RateVerdict> {
    if (count >= this.size) return this.source.take(key, count);
    for (;;) {
      const lease = this.leases.get(key);
      if (lease !== undefined && lease.left >= count && performance.now() < lease.endsAt) {
        lease.left -= count;
        return lease.verdict;
      }
      const outcome = await this.ask(key);
      // A whole lease was refused: the last few tokens are asked for one by one.
      if (!('left' in outcome)) return this.source.take(key, count);
    }
  }

  /** One question at a time, whoever waits for it. */
  private ask(key: string): Promise<Lease | RateVerdict> {
    const running = this.asking.get(key);
    if (running !== undefined) return running;
    // Under nobody's deadline: the one who happens to ask may have less time left than those who wait for the same answer.
    const question = withoutDeadline(() => this.lease(key)).finally(() => this.asking.delete(key));
    this.asking.set(key, question);
    return question;
  }

  private async lease(key: string): Promise<Lease | RateVerdict> {
    const verdict = await this.source.take(key, this.size);
    if (!verdict.allowed) return verdict;
    const lease = { left: this.size, endsAt: performance.now() + VALID_MS, verdict };
    this.leases.set(key, lease);
    return lease;
  }
}
