import { ProblemError } from '#lib/contracts/problems';

/** Counts the requests that this process works on, and takes no more than it can carry (R100): to refuse is cheaper than to be late for all. */
export class InFlight {
  private count = 0;

  constructor(private readonly max: number) {}

  /** Takes a place and returns the function that gives it back; calling that twice does nothing. @throws ProblemError `overloaded`. */
  enter(): () => void {
    if (this.count >= this.max) {
      throw new ProblemError('overloaded', `${this.max} requests are being answered already.`, { retryAfterSeconds: 1 });
    }
    this.count += 1;
    let isInside = true;
    return () => {
      if (isInside) this.count -= 1;
      isInside = false;
    };
  }
}
