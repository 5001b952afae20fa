import type { MessageId } from '#lib/contracts/ids';
import type { LedgerEntry } from '#lib/vectors/ledger/chunk-ledger.port';

/** One message, or one part of a document, in Postgres with its ledger entry: what should be indexed, and what the ledger says is. */
export interface MessageState {
  readonly id: MessageId;
  readonly version: number;
  readonly isDeleted: boolean;
  /** When this version was committed. */
  readonly changedAt: Date;
  readonly entry: LedgerEntry | undefined;
  /** A part of a document: version 1 for ever. */
  readonly isPart?: boolean;
}

/** The messages and documents of all conversations with their ledger entries, and the way to have them indexed again. Throws DependencyError. */
export abstract class IndexableMessagesPort {
  /** Up to `limit` messages whose version stands for `graceMs` or longer, by id after `after` (undefined: from the first). */
  abstract page(after: MessageId | undefined, limit: number, graceMs: number): Promise<MessageState[]>;
  /** Those of `ids` that exist, whatever their age. */
  abstract statesOf(ids: readonly MessageId[]): Promise<MessageState[]>;
  /** Time of the newest message (not: document) in the ledger; undefined when it is empty. */
  abstract newestIndexedAt(): Promise<Date | undefined>;
  /** Now, by the clock of `changedAt`. */
  abstract now(): Promise<Date>;
  /**
   * Adds a `vectors.rebuild` with the current content of each of these messages and parts to the outbox; for parts of documents that are not done the
   * `document.created` of their document.
   */
  abstract orderRebuild(ids: readonly MessageId[]): Promise<void>;
}
