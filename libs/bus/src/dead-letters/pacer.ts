import { setTimeout as sleep } from 'node:timers/promises';

/** Spaces turns evenly: `ratePerSecond` per second from the first one on; without a rate none waits. */
export class Pacer {
  private turnCount = 0;
  private startedAt = 0;

  constructor(private readonly ratePerSecond: number | undefined) {}

  /** Waits for the next turn. @returns false when it would come after `endsAt`. */
  async turn(endsAt: number): Promise<boolean> {
    if (this.turnCount === 0) this.startedAt = performance.now();
    const at = this.ratePerSecond === undefined ? 0 : this.startedAt + (this.turnCount / this.ratePerSecond) * 1_000;
    if (at > endsAt) return false;
    const waitMs = at - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    this.turnCount += 1;
    return true;
  }
}
