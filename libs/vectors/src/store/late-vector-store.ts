import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import type { Chunk, ScoredChunk } from '../chunking/chunk.js';
import type { LateVectors } from '../late-vectors.js';
import { type StoredChunk, type VectorFilter, VectorStorePort } from './vector-store.port.js';

/** A vector store that the first call opens. While the model cannot be asked for its dimension, calls reject with what that rejected with. */
export class LateVectorStore extends VectorStorePort {
  constructor(private readonly late: LateVectors) {
    super();
  }

  async replace(
    chunks: readonly Chunk[],
    embeddings: readonly Float32Array[],
    also: { removed: readonly MessageId[]; mayHaveOlder?: readonly MessageId[] },
  ): Promise<void> {
    await (await this.store()).replace(chunks, embeddings, also);
  }

  async nearest(query: Float32Array, visible: readonly ConversationId[], k: number, filter?: VectorFilter): Promise<ScoredChunk[]> {
    return (await this.store()).nearest(query, visible, k, filter);
  }

  async chunkIdsFrom(cursor: string | undefined, limit: number): Promise<{ ids: string[]; next: string | undefined }> {
    return (await this.store()).chunkIdsFrom(cursor, limit);
  }

  async remove(chunkIds: readonly string[]): Promise<void> {
    await (await this.store()).remove(chunkIds);
  }

  async chunksOf(messageIds: readonly MessageId[]): Promise<StoredChunk[]> {
    return (await this.store()).chunksOf(messageIds);
  }

  async chunkIdsOfSender(senderId: UserId, limit: number): Promise<string[]> {
    return (await this.store()).chunkIdsOfSender(senderId, limit);
  }

  private async store(): Promise<VectorStorePort> {
    return (await this.late.open()).vectors;
  }
}
