import type { DocumentId } from '#lib/contracts/documents';
import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';

/** A piece of a message, or of a part of a document, that gets a vector of its own. */
export interface Chunk {
  /** `{messageId}#chunk_{i}` (R004), i from 0. */
  readonly id: string;
  readonly messageId: MessageId;
  /** The document of which `messageId` is a part; undefined for a message. */
  readonly documentId?: DocumentId | undefined;
  readonly conversationId: ConversationId;
  readonly senderId: UserId;
  readonly seq: number;
  readonly version: number;
  readonly createdAtMs: number;
  readonly text: string;
}

/** A chunk that came near a query. `score` = cosine similarity in [-1, 1]. */
export interface ScoredChunk {
  readonly id: string;
  readonly messageId: MessageId;
  readonly score: number;
}
