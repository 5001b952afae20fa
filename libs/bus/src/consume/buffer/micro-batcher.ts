/** When a micro-batch is complete. */
export interface BatchLimits {
  readonly size: number;
  /** Counted from the first item, not from the last one: under a trickle a timer that restarts would never fire. */
  readonly waitMs: number;
}

interface Waiting<T> {
  readonly item: T;
  readonly dueAt: number;
}

/**
 * Collects single items into micro-batches: one is due when `size` items wait, or `waitMs` after the first of them came.
 * It calls `onDue` at that moment; whoever has room then, or gets room later, takes.
 */
export class MicroBatcher<T> {
  private waiting: Waiting<T>[] = [];
  private timer: NodeJS.Timeout | undefined;
  private isFlushing = false;

  constructor(
    private readonly limits: BatchLimits,
    private readonly onDue: () => void,
  ) {}

  get count(): number {
    return this.waiting.length;
  }

  /** What waits, first come first. */
  items(): T[] {
    return this.waiting.map(({ item }) => item);
  }

  add(item: T): void {
    this.waiting.push({ item, dueAt: performance.now() + this.limits.waitMs });
    if (this.isDue()) this.onDue();
    else if (this.timer === undefined) this.setTimer();
  }

  /** Puts back what was taken; it need not wait for company again. Behind the others, so that it cannot stand in their way. */
  putBack(items: readonly T[]): void {
    this.waiting.push(...items.map((item) => ({ item, dueAt: 0 })));
    this.setTimer();
  }

  /** Up to `room` items and never more than a batch, first come first; none when no batch is due yet. */
  take(room: number): T[] {
    if (!this.isDue()) return [];
    const taken = this.waiting.splice(0, Math.min(room, this.limits.size));
    this.setTimer();
    return taken.map(({ item }) => item);
  }

  /** Takes out everything of which `isGone` is true. */
  drop(isGone: (item: T) => boolean): void {
    this.waiting = this.waiting.filter(({ item }) => !isGone(item));
    this.setTimer();
  }

  /** From now on everything is due as soon as it comes: nobody waits for company when the process stops. */
  flush(): void {
    this.isFlushing = true;
    this.onDue();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private isDue(): boolean {
    const first = this.waiting[0];
    if (first === undefined) return false;
    return this.isFlushing || this.waiting.length >= this.limits.size || first.dueAt <= performance.now();
  }

  private setTimer(): void {
    this.stop();
    const first = this.waiting[0];
    if (first === undefined) return;
    this.timer = setTimeout(
      () => {
        this.timer = undefined;
        // Timers count from the start of a turn of the event loop and so may fire a little early.
        if (this.isDue()) this.onDue();
        else this.setTimer();
      },
      Math.max(1, first.dueAt - performance.now()),
    );
  }
}
