import { type BatchLimits, MicroBatcher } from './micro-batcher.js';
import { Quarantine } from './quarantine.js';
import type { Received } from './received.js';

// Two crashes may be a restart and bad luck.
const RETURNS_TO_QUARANTINE = 3;
// Before the first suspect: deliveries of one crash arrive together, and the choice is among all of them. Between two: the last
// acknowledgement must have left this process, or a crash on the next would return it too.
const BETWEEN_SUSPECTS_MS = 30;

/** Buffers decoded deliveries for their run: in batches, or one at a time when they may be poison that crashes consumers. */
export class DeliveryBuffer {
  private readonly batcher: MicroBatcher<Received>;
  private readonly quarantine = new Quarantine<Received>();
  private timer: NodeJS.Timeout | undefined;
  private isSuspectRunning = false;

  constructor(
    limits: BatchLimits,
    private readonly onDue: () => void,
  ) {
    this.batcher = new MicroBatcher(limits, onDue);
  }

  get count(): number {
    return this.batcher.count + this.quarantine.count;
  }

  items(): Received[] {
    return [...this.batcher.items(), ...this.quarantine.items()];
  }

  add(item: Received): void {
    if (!isSuspect(item)) return this.batcher.add(item);
    if (this.quarantine.count === 0) this.waitForSuspects();
    this.quarantine.add(item);
  }

  /** Puts back items that could not be handled now, behind the others. */
  putBack(items: readonly Received[]): void {
    this.batcher.putBack(items.filter((item) => !isSuspect(item)));
    for (const item of items) if (isSuspect(item)) this.quarantine.add(item);
  }

  /** The next batch of at most `room`, or one suspect when no other run is in progress; empty when none is due. Call `ended` after its run. */
  take(room: number, runningCount: number): Received[] {
    if (room <= 0 || this.isSuspectRunning || this.timer !== undefined) return [];
    if (this.quarantine.count === 0) return this.batcher.take(room);
    if (runningCount > 0) return [];
    this.isSuspectRunning = true;
    return this.quarantine.takeOne();
  }

  /** Ends a run. */
  ended(): void {
    if (!this.isSuspectRunning) return;
    this.isSuspectRunning = false;
    this.waitForSuspects();
  }

  /** Removes the items of which `isGone` is true. */
  drop(isGone: (item: Received) => boolean): void {
    this.batcher.drop(isGone);
    this.quarantine.drop(isGone);
  }

  /** Makes every item due at once. */
  flush(): void {
    this.batcher.flush();
  }

  stop(): void {
    this.batcher.stop();
    clearTimeout(this.timer);
  }

  private waitForSuspects(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.onDue();
    }, BETWEEN_SUSPECTS_MS);
  }
}

const isSuspect = ({ delivery }: Received): boolean => delivery.returnCount >= RETURNS_TO_QUARANTINE;
