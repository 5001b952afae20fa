/** Permits of frames: so many each second, as many at once. A token bucket. */
export class FrameRate {
  private permits: number;
  private filledAt = performance.now();

  constructor(private readonly perSecond: number) {
    this.permits = perSecond;
  }

  get hasPermit(): boolean {
    const now = performance.now();
    this.permits = Math.min(this.perSecond, this.permits + ((now - this.filledAt) * this.perSecond) / 1_000);
    this.filledAt = now;
    return this.permits >= 1;
  }

  spend(): void {
    this.permits -= 1;
  }

  /** Milliseconds until the next permit. */
  get waitMs(): number {
    return Math.max(0, ((1 - this.permits) * 1_000) / this.perSecond);
  }
}
