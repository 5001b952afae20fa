import { setTimeout as sleep } from 'node:timers/promises';

/** Spaces turns evenly: `ratePerSecond` per second from the first one on; without a rate none waits. */
export class Pacer {
  private turnCount = 0;
  private startedAt = 0;

  constructor(private readonly ratePerSecond: number | undefined) {}

  /** Waits for the next turn and takes it. @returns false when it would come after `endsAt`. */
  async turn(endsAt: number): Promise<boolean> {
    if (this.turnCount === 0) this.startedAt = performance.now();
    if (this.nextAt > endsAt) return false;
    await this.untilNext();
    this.turnCount += 1;
    return true;
  }

  /** Waits for the next turn without taking it. */
  async untilNext(): Promise<void> {
    const waitMs = this.nextAt - performance.now();
    if (waitMs > 0) await sleep(waitMs);
  }

  private get nextAt(): number {
    return this.ratePerSecond === undefined ? 0 : this.startedAt + (this.turnCount / this.ratePerSecond) * 1_000;
  }
}
