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
      const now = Date.now();
      // A clock that was set back must not hold them for longer than their delay.
      const waits = ({ dueAt }: JournalEntry) => Math.min(this.delayMs, (dueAt?.getTime() ?? 0) - now);
      const due = entries.filter((entry) => waits(entry) <= 0);
      if (due.length > 0) await this.move(due);
      this.count = Math.max(0, this.count - due.length);
      const [first] = entries.slice(due.length);
      nextMs = first === undefined ? (this.count > 0 ? 0 : undefined) : waits(first);
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
}
