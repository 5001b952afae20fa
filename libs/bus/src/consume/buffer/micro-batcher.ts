/** When a micro-batch is complete. */
export interface BatchLimits {
  readonly size: number;
  /** Counted from the first item: a timer that restarts with each item would never fire under a trickle. */
  readonly waitMs: number;
}

interface Waiting<T> {
  readonly item: T;
  readonly dueAt: number;
}

/**
 * Collects items into micro-batches: one is due at `size` items, or `waitMs` after its first item. Calls `onDue` at that moment;
 * the consumer takes it then, or when it has room.
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

  /** The waiting items, oldest first. */
  items(): T[] {
    return this.waiting.map(({ item }) => item);
  }

  add(item: T): void {
    this.waiting.push({ item, dueAt: performance.now() + this.limits.waitMs });
    if (this.isDue()) this.onDue();
    else if (this.timer === undefined) this.setTimer();
  }

  /** Puts back taken items, due at once. Behind the others, so that they block none. */
  putBack(items: readonly T[]): void {
    this.waiting.push(...items.map((item) => ({ item, dueAt: 0 })));
    this.setTimer();
  }

  /** Up to `room` items of a due batch, oldest first; none when no batch is due. */
  take(room: number): T[] {
    if (!this.isDue()) return [];
    const taken = this.waiting.splice(0, Math.min(room, this.limits.size));
    this.setTimer();
    return taken.map(({ item }) => item);
  }

  /** Removes the items of which `isGone` is true. */
  drop(isGone: (item: T) => boolean): void {
    this.waiting = this.waiting.filter(({ item }) => !isGone(item));
    this.setTimer();
  }

  /** Makes present and later items due at once: a stopping process does not wait for full batches. */
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
        // A timer counts from the start of its event-loop turn and may fire early.
        if (this.isDue()) this.onDue();
        else this.setTimer();
      },
      Math.max(1, first.dueAt - performance.now()),
    );
  }
}
