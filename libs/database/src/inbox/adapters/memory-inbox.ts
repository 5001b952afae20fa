import { InboxPort } from '#lib/bus/consume/run/inbox.port';

/** Ids that one consumer remembers; about 10 MB. The oldest go first. */
const LIMIT = 100_000;

/** An inbox that lives as long as its process: for the embedded mode and for tests. */
export class MemoryInbox extends InboxPort {
  private readonly seen = new Map<string, Map<string, number>>();

  async unseen(consumer: string, eventIds: readonly string[]): Promise<Set<string>> {
    const seen = this.seen.get(consumer);
    return new Set(eventIds.filter((id) => seen?.has(id) !== true));
  }

  async remember(consumer: string, eventIds: readonly string[]): Promise<void> {
    const seen = this.seen.get(consumer) ?? new Map<string, number>();
    this.seen.set(consumer, seen);
    for (const id of eventIds) seen.set(id, performance.now());
    // A Map keeps the order of insertion.
    for (const id of seen.keys()) {
      if (seen.size <= LIMIT) break;
      seen.delete(id);
    }
  }

  async prune(olderThanMs: number): Promise<number> {
    const before = performance.now() - olderThanMs;
    let pruned = 0;
    for (const seen of this.seen.values()) {
      for (const [id, at] of seen) {
        if (at >= before) continue;
        seen.delete(id);
        pruned += 1;
      }
    }
    return pruned;
  }
}
