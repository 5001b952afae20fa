import { ProblemError } from '#lib/contracts/problems';
import { DependencyError } from '#lib/resilience/call/errors';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import type { EntryPlace, JournalEntry } from '../../journal/journal.port.js';
import { DeadLettersPort, LockedDeadLetters } from '../../dead-letters/dead-letters.port.js';
import type { PublishOutcome } from '../../publish/publisher.port.js';
import { deadLetterQueue } from '../../topology.js';
import type { WireMessage } from '../../wire-message.js';
import type { JournaledBus } from './journaled-bus.js';

/** Callers that may wait for the lock of one queue, and how long. */
const WAITING = 20;
const LOCK_WITHIN_MS = 5_000;
const WRITTEN_WITHIN_MS = 5_000;
/** Letters read at once. */
const PAGE = 200;

/** The dead letters of the journaled bus: they lie in the journal, and a page of them in memory while a caller reads. */
export class JournaledDeadLetters extends DeadLettersPort {
  private readonly locks = new Map<string, Semaphore>();

  constructor(private readonly bus: JournaledBus) {
    super();
  }

  async lock<T>(queue: string, work: (letters: LockedDeadLetters) => Promise<T>): Promise<T> {
    if (!Object.hasOwn(this.bus.pipeline, queue)) throw new ProblemError('not-found', 'There is no such queue.');
    const lock = this.lockOf(queue);
    try {
      await lock.acquire({ withinMs: LOCK_WITHIN_MS });
    } catch (cause) {
      throw new DependencyError('rabbitmq', 'dead-letters', 'overloaded', { cause });
    }
    try {
      // What a reader removed whose work failed, this one must not meet, and must not remove and count again.
      await this.allWritten();
      await this.bus.countDeadLetters(queue);
      const result = await work(new LockedJournaledQueue(this.bus, queue));
      await this.allWritten();
      return result;
    } finally {
      lock.release();
    }
  }

  private async allWritten(): Promise<void> {
    if (!(await this.bus.flush(WRITTEN_WITHIN_MS))) throw new DependencyError('rabbitmq', 'dead-letters', 'timeout');
  }

  private lockOf(queue: string): Semaphore {
    const known = this.locks.get(queue) ?? new Semaphore(undefined, { concurrent: 1, queued: WAITING });
    this.locks.set(queue, known);
    return known;
  }
}

class LockedJournaledQueue extends LockedDeadLetters {
  readonly count: number;
  private unread: JournalEntry[] = [];
  private lastId = 0;
  private readCount = 0;
  private readonly places = new WeakMap<WireMessage, EntryPlace>();

  constructor(
    private readonly bus: JournaledBus,
    private readonly queue: string,
  ) {
    super();
    this.count = bus.readyIn(deadLetterQueue(queue));
  }

  async next(): Promise<WireMessage | undefined> {
    if (this.readCount >= this.count) return undefined;
    if (this.unread.length === 0) this.unread = await this.bus.deadLettersOf(this.queue, this.lastId, PAGE);
    const entry = this.unread.shift();
    if (entry === undefined) return undefined;
    this.readCount += 1;
    this.lastId = entry.id;
    this.places.set(entry.message, entry);
    return entry.message;
  }

  remove(letter: WireMessage): void {
    const place = this.places.get(letter);
    if (place === undefined) throw new RangeError('this letter is not under the lock');
    this.places.delete(letter);
    this.bus.removeDeadLetter(place);
  }

  protected publish(copy: WireMessage): Promise<PublishOutcome> {
    return this.bus.copyTo(this.queue, copy);
  }
}
