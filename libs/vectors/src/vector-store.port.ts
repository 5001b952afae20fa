import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import type { Chunk, ScoredChunk } from './chunk.js';

/** Narrows a search beyond what its reader may see. Times are inclusive, in milliseconds since the epoch. */
export interface VectorFilter {
  readonly senderId?: UserId | undefined;
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

/**
 * Keeps chunk embeddings findable by cosine similarity within the conversations a reader may see.
 * Vectors: unit length, `dimension` floats. Every call has a deadline and throws DependencyError when the store cannot.
 */
export abstract class VectorStorePort {
  /**
   * Upserts by chunk id in batches of at most 100, and removes every other chunk of the messages in `chunks` (the new version may have fewer)
   * and all chunks of `removed`. Idempotent: the same call twice leaves the same store.
   */
  abstract replace(chunks: readonly Chunk[], embeddings: readonly Float32Array[], also: { removed: readonly MessageId[] }): Promise<void>;
  /** The `k` nearest chunks among `visible` conversations, best first. An empty `visible` finds nothing. */
  abstract nearest(query: Float32Array, visible: readonly ConversationId[], k: number, filter?: VectorFilter): Promise<ScoredChunk[]>;
  /** Ids of the stored chunks of these messages with the version they were made from (checks, reconciler). */
  abstract chunksOf(messageIds: readonly MessageId[]): Promise<{ id: string; messageId: MessageId; version: number }[]>;
}
