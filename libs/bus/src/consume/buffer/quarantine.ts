/**
 * Holds deliveries returned several times by crashed consumers; one of them may be the poison that crashed them. Each is handled alone, so
 * that a crash returns no other, and in random order, so that others pass between two crashes.
 */
export class Quarantine<T> {
  private suspects: T[] = [];

  constructor(private readonly random = Math.random) {}

  get count(): number {
    return this.suspects.length;
  }

  add(suspect: T): void {
    this.suspects.push(suspect);
  }

  /** A random one. */
  takeOne(): T[] {
    return this.suspects.splice(Math.floor(this.random() * this.suspects.length), 1);
  }

  drop(isGone: (suspect: T) => boolean): void {
    this.suspects = this.suspects.filter((suspect) => !isGone(suspect));
  }

  items(): readonly T[] {
    return this.suspects;
  }
}
