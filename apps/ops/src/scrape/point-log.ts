/** A value and when it was read, in milliseconds since 1970. */
export interface Point {
  readonly at: number;
  readonly value: number;
}

/** The points of one series, oldest first: numbers side by side, a fifth of what an object for each would take. */
export class PointLog {
  /** Time, value, time, value. */
  private numbers: number[] = [];

  get size(): number {
    return this.numbers.length / 2;
  }

  get first(): Point | undefined {
    return this.size === 0 ? undefined : this.pointAt(0);
  }

  push(at: number, value: number): void {
    this.numbers.push(at, value);
  }

  /** The newest of those that are no later. */
  latestUntil(at: number): Point | undefined {
    for (let index = this.size - 1; index >= 0; index -= 1) if (this.timeAt(index) <= at) return this.pointAt(index);
    return undefined;
  }

  /** From and until included. */
  within(from: number, until: number): Point[] {
    const points: Point[] = [];
    for (let index = 0; index < this.size; index += 1) {
      const at = this.timeAt(index);
      if (at >= from && at <= until) points.push(this.pointAt(index));
    }
    return points;
  }

  /** Forgets all others. */
  keepOnly(times: ReadonlySet<number>): void {
    this.numbers = this.numbers.filter((_, index) => times.has(this.timeAt(Math.floor(index / 2))));
  }

  private timeAt(index: number): number {
    return this.numbers[2 * index] ?? 0;
  }

  private pointAt(index: number): Point {
    return { at: this.timeAt(index), value: this.numbers[2 * index + 1] ?? 0 };
  }
}
