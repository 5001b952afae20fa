import type { MessageId } from '#lib/contracts/ids';
import type { LedgerEntry } from '#lib/vectors/ledger/chunk-ledger.port';

/** What Postgres says of one message: what should be indexed, and what the ledger believes is. */
export interface MessageState {
  readonly id: MessageId;
  readonly version: number;
  readonly isDeleted: boolean;
  /** When this version was committed. */
  readonly changedAt: Date;
  readonly entry: LedgerEntry | undefined;
}

/** The messages of all conversations with their ledger entries, and the way to have them indexed again. Throws DependencyError. */
export abstract class IndexableMessagesPort {
  /** Up to `limit` messages whose version stands for `graceMs` or longer, by id after `after` (undefined: from the first). */
  abstract page(after: MessageId | undefined, limit: number, graceMs: number): Promise<MessageState[]>;
  /** Those of `ids` that there are, whatever their age. */
  abstract statesOf(ids: readonly MessageId[]): Promise<MessageState[]>;
  /** When the newest message was written that the ledger has; undefined when it has none. */
  abstract newestIndexedAt(): Promise<Date | undefined>;
  /** Now, by the clock that `changedAt` is read from. */
  abstract now(): Promise<Date>;
  /** Leaves an order in the outbox for each of these messages to make its vectors anew from what it is now. */
  abstract orderRebuild(ids: readonly MessageId[]): Promise<void>;
}
