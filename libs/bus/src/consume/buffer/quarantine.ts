/**
 * Deliveries that came back several times because whoever had them died. One of them may be what killed it, and all that were in
 * its hands came back together: each is handled alone, so that the next death takes no other with it, and in random order,
 * so that the killer does not always come first and the innocent get through between two deaths.
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

  /** One of them, any. */
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
