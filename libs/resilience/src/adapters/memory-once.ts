import { OncePort } from '../once/once.port.js';

/** Keys that are remembered; beyond it the oldest are forgotten, and may be taken twice. */
const MOST_KEYS = 10_000;

/** Decides for this process alone. */
export class MemoryOnce extends OncePort {
  /** Until when each key is taken, in milliseconds of `now`; in the order in which they were taken. */
  private readonly until = new Map<string, number>();

  constructor(private readonly now: () => number = () => performance.now()) {
    super();
  }

  async take(key: string, ttlMs: number): Promise<boolean> {
    if (this.isTaken(key)) return false;
    this.hold(key, ttlMs);
    return true;
  }

  /** Whether its time is not over. */
  isTaken(key: string): boolean {
    return (this.until.get(key) ?? Number.NEGATIVE_INFINITY) > this.now();
  }

  /** From now on it is taken for so long, whatever was known of it. */
  hold(key: string, ttlMs: number): void {
    const now = this.now();
    this.until.delete(key);
    this.until.set(key, now + ttlMs);
    for (const [oldest, until] of this.until) {
      if (until > now && this.until.size <= MOST_KEYS) break;
      this.until.delete(oldest);
    }
  }
}
