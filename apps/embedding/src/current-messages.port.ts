import type { DocumentId } from '#lib/contracts/documents';
import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import type { LedgerEntry } from '#lib/vectors/ledger/chunk-ledger.port';

/** A message, or a part of a document, as Postgres has it now, with its ledger entry of the same moment. */
export interface CurrentMessage {
  readonly messageId: MessageId;
  /** The document of which this is a part; undefined for a message. A part never changes: its version is 1, its `seq` its place. */
  readonly documentId?: DocumentId | undefined;
  readonly conversationId: ConversationId;
  readonly senderId: UserId;
  readonly seq: number;
  readonly version: number;
  /** RFC 3339. */
  readonly createdAt: string;
  /** When this version was committed. */
  readonly changedAt: Date;
  /** null = deleted. */
  readonly content: string | null;
  readonly entry: LedgerEntry | undefined;
}

/** The current messages; an event only names them. Throws DependencyError. */
export abstract class CurrentMessagesPort {
  /** Those of `messageIds` that exist, in one snapshot. Never from a replica: a message missing there would never be indexed. */
  abstract of(messageIds: readonly MessageId[]): Promise<Map<MessageId, CurrentMessage>>;
}
