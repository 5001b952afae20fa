interface Waiting {
  readonly enter: () => void;
}

/**
 * A limited number of places and a line before them, first come, first served. The confirm window of a publisher (what was sent and not
 * confirmed) and the room of a queue in memory are both such places. A socket's own backpressure cannot stand in for it: with a blocked
 * broker a client library buffers thousands of frames before it says anything.
 */
export class Places {
  private takenCount = 0;
  private readonly line: Waiting[] = [];
  private whenEmpty: (() => void)[] = [];

  /** @param count places. @param maxWaiting how many may stand in line; whoever comes then is turned away at once. */
  constructor(
    readonly count: number,
    private readonly maxWaiting: number,
  ) {}

  /** Places taken; more than there are after {@link takeAnyway}. */
  get taken(): number {
    return this.takenCount;
  }

  /** Whether the line is full too. */
  get isFull(): boolean {
    return this.takenCount >= this.count && this.line.length >= this.maxWaiting;
  }

  /** Takes a place if there is one that nobody waits for. A taken place must be given back. */
  takeNow(): boolean {
    if (this.takenCount >= this.count || this.line.length > 0) return false;
    this.takenCount += 1;
    return true;
  }

  /** Takes a place, waiting for it if need be. @returns false when there was none within `withinMs`. A taken place must be given back. */
  async take(withinMs: number): Promise<boolean> {
    if (this.takeNow()) return true;
    if (this.isFull || withinMs <= 0) return false;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.line.splice(this.line.indexOf(waiting), 1);
        resolve(false);
      }, withinMs);
      const waiting: Waiting = {
        enter: () => {
          clearTimeout(timer);
          resolve(true);
        },
      };
      this.line.push(waiting);
    });
  }

  /** Takes a place even when there is none: for who was inside already and comes back. */
  takeAnyway(): void {
    this.takenCount += 1;
  }

  giveBack(): void {
    this.takenCount -= 1;
    while (this.takenCount < this.count) {
      const next = this.line.shift();
      if (next === undefined) break;
      this.takenCount += 1;
      next.enter();
    }
    if (this.takenCount > 0) return;
    const told = this.whenEmpty;
    this.whenEmpty = [];
    for (const tell of told) tell();
  }

  /** Resolves when no place is taken. */
  async empty(): Promise<void> {
    if (this.takenCount === 0) return;
    await new Promise<void>((resolve) => this.whenEmpty.push(resolve));
  }
}
