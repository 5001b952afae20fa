import type { JournalPort } from '../../journal/journal.port.js';

/** Entries read at once. */
const PAGE = 200;
/** Between two looks for entries whose write got no answer. */
const LOOK_EVERY_MS = 2_000;
/** A write without an answer may be carried out later than a read after it: it is looked for until it is so old. No statement runs as long. */
const LATE_MS = 15_000;

/**
 * How many entries a dead-letter queue has, all of them in the journal and nowhere else.
 *
 *     written --------------------------------> counted
 *     no answer --looked for, for 15 s--(there)--^
 *                                  `--(not there)--> forgotten
 */
export class DeadLetterCount {
  count = 0;
  /** Entries whose write got no answer, by id: since when (`performance.now()`). */
  private readonly unanswered = new Map<number, number>();
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;

  constructor(
    readonly name: string,
    private readonly journal: Pick<JournalPort, 'read'>,
  ) {}

  /** What an earlier process has left. */
  restore(count: number): void {
    this.count = count;
  }

  /** An entry was written. */
  put(): void {
    this.count += 1;
  }

  /** The entry `id` may have been written: it is counted once it is found. */
  mayBeThere(id: number): void {
    this.unanswered.set(id, performance.now());
    this.lookLater();
  }

  /** The entry `id` is about to be removed. */
  removed(id: number): void {
    if (!this.unanswered.delete(id)) this.count = Math.max(0, this.count - 1);
  }

  /** Counts what is there of the entries whose write got no answer. @throws DependencyError when the journal does not answer. */
  async look(): Promise<void> {
    const lookedAt = performance.now();
    const ids = [...this.unanswered.keys()].sort((one, other) => one - other);
    const [first, last] = [ids[0], ids.at(-1)];
    if (first === undefined || last === undefined) return;
    for (let after = first - 1; after < last; ) {
      const entries = await this.journal.read(this.name, after, PAGE);
      for (const { id } of entries) if (this.unanswered.delete(id)) this.count += 1;
      after = entries.at(-1)?.id ?? last;
    }
    for (const id of ids) if (lookedAt - (this.unanswered.get(id) ?? lookedAt) > LATE_MS) this.unanswered.delete(id);
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  private lookLater(): void {
    if (this.timer !== undefined || this.isStopped || this.unanswered.size === 0) return;
    const look = async () => {
      await this.look().catch(() => undefined); // the writer of the journal says that the store is away
      this.timer = undefined;
      this.lookLater();
    };
    this.timer = setTimeout(() => void look(), LOOK_EVERY_MS);
    this.timer.unref();
  }
}
