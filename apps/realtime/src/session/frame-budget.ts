/** A token bucket of two numbers: what one socket may send (contract: 20 frames per second, 40 at once). */
export class FrameBudget {
  private tokens: number;
  private filledAt: number;

  /** @param perSecond 0 = no limit. @param now `performance.now()`, here and below. */
  constructor(
    private readonly perSecond: number,
    now: number,
  ) {
    this.tokens = 2 * perSecond;
    this.filledAt = now;
  }

  /** Takes one frame; false when the budget is used up. */
  take(now: number): boolean {
    if (this.perSecond === 0) return true;
    this.tokens = Math.min(2 * this.perSecond, this.tokens + ((now - this.filledAt) * this.perSecond) / 1_000);
    this.filledAt = now;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}
