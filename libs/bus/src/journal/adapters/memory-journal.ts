import { type JournalChanges, type JournalEntry, JournalPort, type JournalState } from '../journal.port.js';

/** A journal that outlives the bus of a test, and not its process. */
export class MemoryJournal extends JournalPort {
  private entries: JournalEntry[] = [];
  private isClosed = false;

  async open(inHand: ReadonlyMap<string, number>): Promise<JournalState> {
    const left = new Map(this.isClosed ? [] : inHand);
    this.isClosed = false;
    const counts = new Map<string, number>();
    this.entries = this.entries.map((entry) => {
      counts.set(entry.queue, (counts.get(entry.queue) ?? 0) + 1);
      const suspects = left.get(entry.queue) ?? 0;
      left.set(entry.queue, suspects - 1);
      return suspects > 0 ? { ...entry, returns: entry.returns + 1 } : entry;
    });
    return { lastId: this.entries.at(-1)?.id ?? 0, counts };
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  async write({ added, removed }: JournalChanges): Promise<void> {
    const gone = new Set(removed.map(({ id }) => id));
    this.entries = [...this.entries.filter(({ id }) => !gone.has(id)), ...added];
  }

  async read(queue: string, after: number, limit: number): Promise<JournalEntry[]> {
    return this.entries.filter((entry) => entry.queue === queue && entry.id > after).slice(0, limit);
  }
}
