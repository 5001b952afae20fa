import { exponential } from '#lib/runtime/work/backoff';
import type { JournalEntry, JournalPort } from '../../journal/journal.port.js';

/** Entries moved at once. */
const BATCH = 200;
/** Pauses between two tries while the journal cannot move entries. */
const RETRY = { baseMs: 200, capMs: 5_000 } as const;
/** Node counts longer timers as 1 ms. */
const LONGEST_TIMER_MS = 2_147_483_647;

/** A retry queue: its entries lie in the journal and nowhere else. All wait equally long, so the first is always due first, and one timer is enough. */
export class DelayedQueue {
  count = 0;
  private timer: NodeJS.Timeout | undefined;
  private isMoving = false;
  private isStopped = false;
  private failures = 0;
  /** What waits at least since `sinceMs` of `performance.now()`: all entries up to this id. */
  private seen = { upToId: 0, sinceMs: 0 };

  /** @param move puts entries into the work queue and takes them out of here, at once. */
  constructor(
    readonly name: string,
    readonly delayMs: number,
    private readonly journal: JournalPort,
    private readonly move: (entries: readonly JournalEntry[]) => Promise<void>,
  ) {}

  /** What an earlier process has left. */
  restore(count: number): void {
    this.count = count;
    if (count > 0) this.lookIn(0);
  }

  /** An entry was written. */
  put(): void {
    this.count += 1;
    this.lookIn(this.delayMs);
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  private lookIn(ms: number): void {
    if (this.timer !== undefined || this.isMoving || this.isStopped) return;
    this.timer = setTimeout(() => void this.moveDue(), Math.min(LONGEST_TIMER_MS, Math.max(1, ms)));
    this.timer.unref();
  }

  private async moveDue(): Promise<void> {
    this.timer = undefined;
    this.isMoving = true;
    let nextMs: number | undefined;
    const counted = this.count;
    try {
      const entries = await this.journal.read(this.name, 0, BATCH);
      const due = entries.filter((entry) => this.waitsMs(entry) <= 0);
      if (due.length > 0) await this.move(due);
      this.count = Math.max(0, this.count - due.length);
      const waiting = entries.filter((entry) => !due.includes(entry));
      this.see(waiting);
      nextMs = waiting.length > 0 ? Math.min(...waiting.map((entry) => this.waitsMs(entry))) : this.count > 0 ? 0 : undefined;
      // The journal has fewer than were counted before the read: none of those is left. What came meanwhile is looked for.
      if (entries.length === 0) {
        this.count = Math.max(0, this.count - counted);
        nextMs = this.count > 0 ? 0 : undefined;
      }
      this.failures = 0;
    } catch {
      this.failures += 1; // the writer of the journal says that the store is away
      nextMs = exponential(this.failures, RETRY);
    } finally {
      this.isMoving = false;
    }
    if (nextMs !== undefined) this.lookIn(nextMs);
  }

  /** By the clock of the day, which another process goes by too; one that was set back must not hold an entry for longer than twice its delay. */
  private waitsMs({ id, dueAt }: JournalEntry): number {
    const seenForMs = id <= this.seen.upToId ? performance.now() - this.seen.sinceMs : 0;
    return Math.min(this.delayMs - seenForMs, (dueAt?.getTime() ?? 0) - Date.now());
  }

  private see(waiting: readonly JournalEntry[]): void {
    const [first, last] = [waiting[0], waiting.at(-1)];
    if (first === undefined || last === undefined || first.id <= this.seen.upToId) return;
    this.seen = { upToId: last.id, sinceMs: performance.now() };
  }
}
