import { ProblemError } from '#lib/contracts/problems';
import { metrics } from '#lib/runtime/metrics/metrics';
import { FairShare } from '#lib/resilience/limit/fair-share';

/** A process is asked to verify tokens for this many requests per place in flight: that takes microseconds, unless the keys have to be fetched. */
const AUTHENTICATING_PER_PLACE = 4;

/**
 * The places for the requests that this process works on (R100): to refuse is cheaper than to be late for all. A place belongs to a user, who may
 * have only some of them. A request whose user is not known yet has a place of its address elsewhere, so that a flood without tokens takes none.
 */
export class ConcurrencyLimit {
  private readonly places: FairShare;
  private readonly authenticating: FairShare;

  /** @param max places in all. @param maxPerUser places of one user; 0 = no limit. */
  constructor(
    private readonly max: number,
    private readonly maxPerUser: number,
  ) {
    this.places = new FairShare({ max, maxPerCaller: maxPerUser });
    this.authenticating = new FairShare({ max: AUTHENTICATING_PER_PLACE * max, maxPerCaller: max });
  }

  /** Takes a place of an address while its caller is found out, and returns the function that gives it back. @throws ProblemError. */
  authenticate(address: string): () => void {
    if (this.places.isFull) throw this.full();
    return this.take(this.authenticating, address);
  }

  /** Takes a place of a user and returns the function that gives it back. @throws ProblemError `overloaded`, `rate-limited`. */
  enter(user: string): () => void {
    return this.take(this.places, user);
  }

  private take(share: FairShare, caller: string): () => void {
    const refusal = share.take(caller);
    if (refusal === 'all') throw this.full();
    if (refusal === 'caller') {
      metrics.rateLimited.inc({ scope: 'in_flight' });
      const detail = `You have ${share === this.places ? this.maxPerUser : this.max} requests in hand already: wait for their answers.`;
      throw new ProblemError('rate-limited', detail, { retryAfterSeconds: 1 });
    }
    let isInside = true;
    return () => {
      if (isInside) share.giveBack(caller);
      isInside = false;
    };
  }

  private full(): ProblemError {
    return new ProblemError('overloaded', `${this.max} requests are being answered already.`, { retryAfterSeconds: 1 });
  }
}
