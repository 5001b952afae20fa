import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import type { Chunk, ScoredChunk } from '../chunking/chunk.js';

/** Narrows a search beyond what its reader may see. Times are inclusive, in milliseconds since the epoch. */
export interface VectorFilter {
  readonly senderId?: UserId | undefined;
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** Only chunks of messages, or only of documents; undefined: of both. */
  readonly kind?: 'message' | 'document' | undefined;
}

/** A chunk as it stands in the store. */
export interface StoredChunk {
  readonly id: string;
  readonly messageId: MessageId;
  /** The message's version that it was made from. */
  readonly version: number;
}

/**
 * Keeps chunk embeddings findable by cosine similarity within the conversations a reader may see.
 * Vectors: unit length, `dimension` floats. Every call has a deadline and throws DependencyError when the store cannot.
 */
export abstract class VectorStorePort {
  /**
   * Upserts by chunk id in batches of at most 100, and removes every other chunk of the messages in `chunks` (the new version may have fewer)
   * and all chunks of `removed`. Idempotent: the same call twice leaves the same store.
   * `mayHaveOlder` saves a round trip: the messages among `chunks` that may have been indexed before, i.e. those with a ledger entry or a
   * version above 1; only they are searched for chunks to remove. Left out, all are. `chunks` holds all chunks of one version per message;
   * of several versions the newest wins. It does not ask what is stored: whether a version is still wanted is the ledger's to say.
   */
  abstract replace(
    chunks: readonly Chunk[],
    embeddings: readonly Float32Array[],
    also: { removed: readonly MessageId[]; mayHaveOlder?: readonly MessageId[] },
  ): Promise<void>;
  /** The `k` nearest chunks among `visible` conversations, best first. An empty `visible` finds nothing. */
  abstract nearest(query: Float32Array, visible: readonly ConversationId[], k: number, filter?: VectorFilter): Promise<ScoredChunk[]>;
  /**
   * Up to `limit` ids of all that is stored, also by other writers, from `cursor` on (undefined: from the start); `next` is the cursor of
   * the following page, undefined at the end. What is removed meanwhile may let as many others slip through; what is added comes last.
   */
  abstract chunkIdsFrom(cursor: string | undefined, limit: number): Promise<{ ids: string[]; next: string | undefined }>;
  /** Removes chunks by id; one that is not there is fine. */
  abstract remove(chunkIds: readonly string[]): Promise<void>;
  /** Ids of the stored chunks of these messages with the version they were made from (checks, reconciler). */
  abstract chunksOf(messageIds: readonly MessageId[]): Promise<StoredChunk[]>;
  /** Ids of up to `limit` stored chunks of this sender. */
  abstract chunkIdsOfSender(senderId: UserId, limit: number): Promise<string[]>;
  /** Closes its connections, if it has any. Calls in flight fail. */
  close(): void {}
}
