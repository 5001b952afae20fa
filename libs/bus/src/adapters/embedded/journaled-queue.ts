import { exponential } from '#lib/runtime/work/backoff';
import type { EntryPlace, JournalEntry, JournalPort } from '../../journal/journal.port.js';
import type { WireMessage } from '../../wire-message.js';
import { MemoryQueue } from '../memory/memory-queue.js';

/** Messages of one queue in memory that no consumer has yet: some batches; the others stay in the journal. */
const WINDOW = 1_000;
/** The same in bytes, so that large events take no more than small ones; at least one is held. */
const WINDOW_BYTES = 4_194_304;
/** Pauses between two tries to read while the store is away. */
const RETRY = { baseMs: 100, capMs: 2_000 } as const;

/**
 * The front of a journaled queue, in memory. What does not fit stays in the journal and is read when there is room, in its order:
 *
 *     caught up --(an entry finds no room)--> behind --(read up to the last entry)--> caught up
 *
 * Behind means `loadedId < lastId`: new entries only raise `lastId`, and are read in their turn.
 */
export class JournaledQueue {
  readonly front: MemoryQueue;
  private readonly places = new Map<WireMessage, EntryPlace>();
  private bytes = 0;
  /** Entries in all, those in the journal only and those that are being written included. */
  private count = 0;
  private loadedId = 0;
  private lastId = 0;
  /** Entries whose write failed without an answer: they may be in the journal, uncounted. */
  private readonly uncertain = new Set<number>();
  private isReading = false;
  private isStopped = false;
  private failures = 0;

  constructor(
    readonly name: string,
    private readonly limit: number,
    private readonly journal: JournalPort,
    private readonly onSettled: (place: EntryPlace) => void,
  ) {
    this.front = new MemoryQueue(
      name,
      Number.POSITIVE_INFINITY,
      (message) => this.settled(message),
      () => this.readyCount,
    );
  }

  /** Entries that no consumer has. */
  get readyCount(): number {
    return this.count - this.front.unsettledCount;
  }

  /** What an earlier process has left in the journal. */
  restore(count: number, lastId: number): void {
    this.count = count;
    this.lastId = count === 0 ? 0 : lastId;
    this.readSoon();
  }

  /** Takes a place for an entry that is about to be written. @returns false when the queue is full. */
  reserve(): boolean {
    if (this.count >= this.limit) return false;
    this.reserveAnyway();
    return true;
  }

  /** Takes a place whether there is one or not, for an entry that lay in the queue before. */
  reserveAnyway(): void {
    this.count += 1;
  }

  /** Gives a place back. @param id of an entry that was not confirmed and may be in the journal all the same. */
  unreserve(id?: number): void {
    this.count -= 1;
    if (id === undefined) return;
    this.uncertain.add(id);
    this.lastId = Math.max(this.lastId, id);
    this.readSoon();
  }

  /** An entry with a place was written. */
  put(entry: JournalEntry): void {
    const isBehind = this.loadedId < this.lastId;
    this.lastId = Math.max(this.lastId, entry.id);
    // It was read already when a read and its own write overtook each other.
    if (entry.id <= this.loadedId) return;
    if (isBehind || !this.hasRoom) return this.readSoon();
    this.hold(entry);
  }

  stop(): void {
    this.isStopped = true;
  }

  private get hasRoom(): boolean {
    return this.front.readyCount < WINDOW && (this.bytes < WINDOW_BYTES || this.front.readyCount === 0);
  }

  private hold({ id, queue, message, returns }: JournalEntry): void {
    this.loadedId = id;
    this.places.set(message, { queue, id });
    this.bytes += message.body.byteLength;
    this.front.putAnyway(message, returns);
  }

  private settled(message: WireMessage): void {
    const place = this.places.get(message);
    if (place === undefined) return;
    this.places.delete(message);
    this.bytes -= message.body.byteLength;
    this.count -= 1;
    this.onSettled(place);
    this.readSoon();
  }

  /** Reads when half of the window is free: a read per settled message would be one for each. */
  private readSoon(): void {
    if (this.isReading || this.isStopped || this.loadedId >= this.lastId) return;
    if (this.front.readyCount > WINDOW / 2 || !this.hasRoom) return;
    this.isReading = true;
    void this.read();
  }

  private async read(): Promise<void> {
    const { loadedId, lastId } = this;
    const limit = WINDOW - this.front.readyCount;
    try {
      const entries = await this.journal.read(this.name, loadedId, limit);
      this.failures = 0;
      for (const entry of entries) {
        if (this.uncertain.delete(entry.id)) this.count += 1;
        this.hold(entry);
      }
      // Nothing above what was read: what was to be there was never written.
      if (entries.length === 0) this.loadedId = Math.max(this.loadedId, lastId);
      for (const id of this.uncertain) if (id <= this.loadedId) this.uncertain.delete(id);
    } catch {
      this.failures += 1; // the writer of the journal says that the store is away
    }
    const pauseMs = this.failures === 0 ? 0 : exponential(this.failures, RETRY);
    setTimeout(() => {
      this.isReading = false;
      this.readSoon();
    }, pauseMs).unref();
  }
}
