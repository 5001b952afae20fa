import { type BatchLimits, MicroBatcher } from './micro-batcher.js';
import { Quarantine } from './quarantine.js';
import type { Received } from './received.js';

// Two deaths can be a restart and bad luck.
const RETURNS_TO_BE_SUSPECT = 3;
// Before the first suspect: those that died together arrive together, and the choice must be among all of them. Between two: the
// acknowledgement of the last must have left this process, or it would die once more with the next.
const BETWEEN_SUSPECTS_MS = 30;

/** Where decoded deliveries wait for their run: in company, or alone when they may be what kills the processes that take them. */
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

  /** Puts back what was taken and could not be handled now, behind what waits. */
  putBack(items: readonly Received[]): void {
    this.batcher.putBack(items.filter((item) => !isSuspect(item)));
    for (const item of items) if (isSuspect(item)) this.quarantine.add(item);
  }

  /** The next batch of at most `room`, or one suspect when nothing else runs; empty when nothing is due. Call `ended` after its run. */
  take(room: number, runningCount: number): Received[] {
    if (room <= 0 || this.isSuspectRunning || this.timer !== undefined) return [];
    if (this.quarantine.count === 0) return this.batcher.take(room);
    if (runningCount > 0) return [];
    this.isSuspectRunning = true;
    return this.quarantine.takeOne();
  }

  /** A run has ended. */
  ended(): void {
    if (!this.isSuspectRunning) return;
    this.isSuspectRunning = false;
    this.waitForSuspects();
  }

  /** Takes out everything of which `isGone` is true. */
  drop(isGone: (item: Received) => boolean): void {
    this.batcher.drop(isGone);
    this.quarantine.drop(isGone);
  }

  /** From now on nobody waits for company. */
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

const isSuspect = ({ delivery }: Received): boolean => delivery.returnCount >= RETURNS_TO_BE_SUSPECT;
