import { AsyncResource } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '#lib/runtime/log/logger';
import { exponential } from '#lib/runtime/work/backoff';
import type { EntryPlace, JournalEntry, JournalPort } from './journal.port.js';

/** Entries that may wait for their write; a publisher that finds no place is refused, and its event stays in the outbox. */
const MAX_WAITING = 2_000;
/** Entries of one write, and their bytes: a commit of a few milliseconds. */
const BATCH = { entries: 500, bytes: 4_194_304 } as const;
/** Pauses between two tries while the store is away. */
const RETRY = { baseMs: 100, capMs: 2_000 } as const;

interface Waiting {
  readonly entries: readonly JournalEntry[];
  /** Whatever the new entries take the place of. */
  readonly instead: readonly EntryPlace[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes the journal in the order in which it is told, one commit at a time: what comes during a commit is the next one. Removals are
 * written with the next commit, or in one of their own; they are tried until they succeed.
 */
export class JournalWriter {
  private waiting: Waiting[] = [];
  private waitingCount = 0;
  private removals: EntryPlace[] = [];
  /** Removals that were told and those that were written, since the start. */
  private told = 0;
  private written = 0;
  private running: Promise<void> | undefined;
  private failures = 0;
  // A write is shared: it must not have the deadline of the request that began it.
  private readonly scope = new AsyncResource('JournalWriter');

  constructor(
    private readonly journal: JournalPort,
    private readonly logger: Logger,
  ) {}

  /** Whether the last write succeeded. */
  get isHealthy(): boolean {
    return this.failures === 0;
  }

  /** Share of the places that are taken, 0 to 1. */
  get used(): number {
    return this.waitingCount / MAX_WAITING;
  }

  /** Resolves when the entries are on disk. @throws what the journal throws: it is not known then whether they are; RangeError when too many wait. */
  async add(entries: readonly JournalEntry[], instead: readonly EntryPlace[] = []): Promise<void> {
    if (this.waitingCount + entries.length > MAX_WAITING) throw new RangeError('too many entries wait for the journal');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.waitingCount += entries.length;
    this.waiting.push({ entries, instead, resolve, reject });
    this.run();
    await promise;
  }

  /** Removes entries soon. */
  remove(places: readonly EntryPlace[]): void {
    for (const place of places) this.removals.push(place);
    this.told += places.length;
    this.run();
  }

  /** Resolves when all that was told before is on disk, whatever comes meanwhile. @throws what the journal throws at the next write. */
  async flush(): Promise<void> {
    const wanted = this.told;
    if (this.running === undefined) return;
    do await this.add([]);
    while (this.written < wanted);
  }

  private run(): void {
    // In a later turn, so that what one turn publishes and acknowledges becomes one write.
    this.running ??= this.scope.runInAsyncScope(() => this.writeAll());
  }

  private async writeAll(): Promise<void> {
    try {
      do {
        await new Promise((resolve) => setImmediate(resolve));
        await this.writeOnce();
      } while (this.waiting.length > 0 || this.removals.length > 0 || this.failures > 0);
    } finally {
      // In the turn that found nothing more: what comes in the next one begins anew.
      this.running = undefined;
    }
  }

  private async writeOnce(): Promise<void> {
    const batch = this.takeBatch();
    const removals = this.removals.splice(0, BATCH.entries);
    const added = batch.flatMap(({ entries }) => entries);
    try {
      await this.journal.write({ added, removed: [...removals, ...batch.flatMap(({ instead }) => instead)] });
      this.failures = 0;
      this.written += removals.length;
      for (const { resolve } of batch) resolve();
    } catch (error) {
      this.failures += 1;
      if (this.failures === 1) this.logger.warn({ err: error }, 'the journal of the bus cannot be written: events stay in the outbox');
      this.removals.unshift(...removals);
      for (const { reject } of batch) reject(error);
      await sleep(exponential(this.failures, RETRY), undefined, { ref: false });
    }
  }

  private takeBatch(): Waiting[] {
    let [count, bytes, length] = [0, 0, 0];
    for (const { entries } of this.waiting) {
      count += entries.length;
      bytes += entries.reduce((sum, { message }) => sum + message.body.byteLength, 0);
      if (length > 0 && (count > BATCH.entries || bytes > BATCH.bytes)) break;
      length += 1;
    }
    const batch = this.waiting.splice(0, length);
    this.waitingCount -= batch.reduce((sum, { entries }) => sum + entries.length, 0);
    return batch;
  }
}
