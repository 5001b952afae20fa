import type { WireMessage } from '../wire-message.js';

/** A message in a queue, as the journal keeps it. */
export interface JournalEntry {
  /** Its place: the order of a queue is the order of its ids. Given by the bus, never twice. */
  readonly id: number;
  /** A work queue, a retry queue or a dead-letter queue. */
  readonly queue: string;
  readonly message: WireMessage;
  /** How often a process died that may have had it in hand. */
  readonly returns: number;
  /** When it leaves a retry queue. */
  readonly dueAt?: Date | undefined;
}

/** Where an entry lies. */
export type EntryPlace = Pick<JournalEntry, 'queue' | 'id'>;

/** What happens to the journal all at once, or not at all. */
export interface JournalChanges {
  readonly added: readonly JournalEntry[];
  /** Entries that are gone already are fine. */
  readonly removed: readonly EntryPlace[];
}

/** What an earlier process has left. */
export interface JournalState {
  /** The highest id; 0 in an empty journal. */
  readonly lastId: number;
  /** Entries by queue. */
  readonly counts: ReadonlyMap<string, number>;
}

/**
 * What the bus inside one process holds, kept so that a killed process loses none of it: an entry stands here before its publish is confirmed,
 * and until its delivery is settled. One process at a time writes it. Every call has a deadline and throws DependencyError when the store cannot.
 */
export abstract class JournalPort {
  /**
   * Opens it for this process. @param inHand how many entries at the head of each queue the one before may have had in hand, if it did not close
   * the journal: each counts one return more.
   */
  abstract open(inHand: ReadonlyMap<string, number>): Promise<JournalState>;
  /** When it rejects, it is not known whether the changes are there. Without changes it asks whether the store answers. */
  abstract write(changes: JournalChanges): Promise<void>;
  /** Says that this process has nothing in hand any more and writes nothing more. */
  abstract close(): Promise<void>;
  /** Up to `limit` entries of a queue with ids above `after`, in their order; fewer when they are large. Empty: there are no more. */
  abstract read(queue: string, after: number, limit: number): Promise<JournalEntry[]>;
}
