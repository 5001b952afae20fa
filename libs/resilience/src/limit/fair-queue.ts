/**
 * A queue that serves those who wait in turn: one entry of each owner, then the next one of each. An owner with a thousand entries delays
 * another owner by one of them, not by a thousand. Entries of one owner keep their order.
 */
export class FairQueue<T> {
  // A map keeps the order of insertion: the owner that was served goes to the end.
  private readonly entries = new Map<string, Set<T>>();
  private count = 0;

  /** Entries of all owners. */
  get size(): number {
    return this.count;
  }

  /** Entries of one owner. */
  sizeOf(owner: string): number {
    return this.entries.get(owner)?.size ?? 0;
  }

  push(owner: string, entry: T): void {
    const own = this.entries.get(owner);
    if (own === undefined) this.entries.set(owner, new Set([entry]));
    else own.add(entry);
    this.count += 1;
  }

  /** The next entry, which leaves the queue; undefined when there is none. */
  shift(): T | undefined {
    for (const [owner, own] of this.entries) {
      this.entries.delete(owner);
      const [next] = own;
      if (next === undefined) continue;
      own.delete(next);
      if (own.size > 0) this.entries.set(owner, own);
      this.count -= 1;
      return next;
    }
    return undefined;
  }

  /** Takes an entry out that waits no longer. */
  remove(owner: string, entry: T): void {
    const own = this.entries.get(owner);
    if (own?.delete(entry) !== true) return;
    if (own.size === 0) this.entries.delete(owner);
    this.count -= 1;
  }
}
