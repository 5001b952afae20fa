import { withoutDeadline } from '../call/deadline.js';
import { type RateLimit, RateLimiterPort, type RateVerdict } from './rate-limiter.port.js';

// A hundredth of a second's quota: asking a hundred times per second is nothing, and this much too many after a pause hurts nobody.
const SHARE = 0.01;
// What a process leased and did not use is not worth remembering for longer: the bucket has it back by then.
const VALID_MS = 1_000;
/** Leases that may be asked for at once: as much as a tenth of a second's quota is on its way then. */
const MAX_ASKED = 10;

interface Waiter {
  readonly count: number;
  readonly answer: (verdict: RateVerdict | Promise<RateVerdict>) => void;
}

/** What this process holds of one key. */
interface Stock {
  left: number;
  endsAt: number;
  verdict: RateVerdict | undefined;
  /** Leases on their way. */
  asked: number;
  /** Tokens handed out so far, and how many of them while the last lease was on its way. */
  handedOut: number;
  perTrip: number;
  readonly waiters: Waiter[];
  /** Tokens that they wait for. */
  waitedFor: number;
}

/**
 * Takes the tokens of another limiter in leases and hands them out without asking: for the one bucket that every request draws from,
 * where a round trip each would cost more than the limit protects. The next lease is asked for before the last one is used up, early enough for
 * the time that one takes, and several at once when many wait. Exact to the leases that one process holds.
 */
export class LeasedRateLimiter extends RateLimiterPort {
  private readonly size: number;
  private readonly stocks = new Map<string, Stock>();

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
    const stock = this.stockOf(key);
    const verdict = stock.waiters.length === 0 ? handOut(stock, count) : undefined;
    if (verdict !== undefined) {
      this.refill(key, stock);
      return Promise.resolve(verdict);
    }
    const { promise, resolve: answer } = Promise.withResolvers<RateVerdict>();
    stock.waiters.push({ count, answer });
    stock.waitedFor += count;
    this.refill(key, stock);
    return promise;
  }

  giveBack(key: string, count = 1): void {
    if (count >= this.size) return this.source.giveBack(key, count);
    const stock = this.stocks.get(key);
    if (stock !== undefined) stock.left += count;
  }

  private stockOf(key: string): Stock {
    let stock = this.stocks.get(key);
    if (stock === undefined) {
      stock = { left: 0, endsAt: 0, verdict: undefined, asked: 0, handedOut: 0, perTrip: 0, waiters: [], waitedFor: 0 };
      this.stocks.set(key, stock);
    }
    if (performance.now() >= stock.endsAt) stock.left = 0;
    return stock;
  }

  /** Asks for as many leases as those who wait need, and as will be used until they are here, at least half a one. */
  private refill(key: string, stock: Stock): void {
    const wanted = stock.waitedFor + Math.max(this.size / 2, stock.perTrip);
    while (stock.asked < MAX_ASKED && stock.left + stock.asked * this.size < wanted) {
      stock.asked += 1;
      // Under nobody's deadline: the one who happens to ask may have less time left than those who wait for the same answer.
      void withoutDeadline(() => this.lease(key, stock));
    }
  }

  private async lease(key: string, stock: Stock): Promise<void> {
    const before = stock.handedOut;
    const verdict = await this.source.take(key, this.size);
    stock.asked -= 1;
    if (!verdict.allowed) {
      // A whole lease was refused: the last few tokens are asked for one by one.
      stock.waitedFor = 0;
      for (const { count, answer } of stock.waiters.splice(0)) answer(this.source.take(key, count));
      return;
    }
    stock.perTrip = stock.handedOut - before;
    const now = performance.now();
    stock.left = (now < stock.endsAt ? stock.left : 0) + this.size;
    stock.endsAt = now + VALID_MS;
    stock.verdict = verdict;
    this.serve(stock);
    if (stock.waiters.length > 0) this.refill(key, stock);
  }

  private serve(stock: Stock): void {
    for (;;) {
      const [first] = stock.waiters;
      const verdict = first === undefined ? undefined : handOut(stock, first.count);
      if (first === undefined || verdict === undefined) return;
      stock.waiters.shift();
      stock.waitedFor -= first.count;
      first.answer(verdict);
    }
  }
}

const handOut = (stock: Stock, count: number): RateVerdict | undefined => {
  if (stock.verdict === undefined || stock.left < count) return undefined;
  stock.left -= count;
  stock.handedOut += count;
  return stock.verdict;
};
