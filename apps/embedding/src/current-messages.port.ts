import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import type { LedgerEntry } from '#lib/vectors/ledger/chunk-ledger.port';

/** A message as Postgres has it now, with what the ledger says of it at the same moment. */
export interface CurrentMessage {
  readonly messageId: MessageId;
  readonly conversationId: ConversationId;
  readonly senderId: UserId;
  readonly seq: number;
  readonly version: number;
  /** RFC 3339. */
  readonly createdAt: string;
  /** When this version was committed. */
  readonly changedAt: Date;
  /** null: it is deleted. */
  readonly content: string | null;
  readonly entry: LedgerEntry | undefined;
}

/** The truth about messages: an event only says which of them to look at. Throws DependencyError. */
export abstract class CurrentMessagesPort {
  /** Those of `messageIds` that there are, in one snapshot. Must not be read from a replica: what is missing there would be left out for good. */
  abstract of(messageIds: readonly MessageId[]): Promise<Map<MessageId, CurrentMessage>>;
}
