import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import type { Chunk, ScoredChunk } from '../../chunking/chunk.js';
import { type StoredChunk, type VectorFilter, VectorStorePort } from '../vector-store.port.js';

interface Held {
  readonly chunk: Chunk;
  readonly embedding: Float32Array;
}

/** The vectors in this process' memory, compared one by one: exact, gone with the process. About 2 KB per chunk at 384 dimensions. */
export class MemoryVectorStore extends VectorStorePort {
  private readonly byMessage = new Map<MessageId, Map<string, Held>>();
  private readonly messagesOf = new Map<ConversationId, Set<MessageId>>();

  constructor(private readonly dimension: number) {
    super();
  }

  async replace(
    chunks: readonly Chunk[],
    embeddings: readonly Float32Array[],
    { removed, mayHaveOlder }: { removed: readonly MessageId[]; mayHaveOlder?: readonly MessageId[] },
  ): Promise<void> {
    if (chunks.length !== embeddings.length) throw new RangeError(`${chunks.length} chunks, but ${embeddings.length} embeddings`);
    for (const embedding of embeddings) this.checkDimension(embedding);
    const newest = new Map<MessageId, number>();
    for (const { messageId, version } of chunks) newest.set(messageId, Math.max(version, newest.get(messageId) ?? 0));
    chunks.forEach((chunk, i) => {
      const embedding = embeddings[i];
      // A copy: what callers hold belongs to their cache.
      if (embedding !== undefined && chunk.version === newest.get(chunk.messageId)) this.hold({ chunk, embedding: embedding.slice() });
    });
    const suspects = mayHaveOlder === undefined ? newest.keys() : mayHaveOlder.filter((messageId) => newest.has(messageId));
    for (const messageId of suspects) this.dropSurplus(messageId, new Set(chunks.map(({ id }) => id)), newest.get(messageId) ?? 0);
    for (const messageId of removed) this.drop(messageId);
  }

  async nearest(
    query: Float32Array,
    visible: readonly ConversationId[],
    k: number,
    { senderId, kind, fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY }: VectorFilter = {},
  ): Promise<ScoredChunk[]> {
    this.checkDimension(query);
    const scored: ScoredChunk[] = [];
    for (const conversationId of new Set(visible)) {
      for (const messageId of this.messagesOf.get(conversationId) ?? []) {
        for (const { chunk, embedding } of this.byMessage.get(messageId)?.values() ?? []) {
          if (kind !== undefined && (chunk.documentId === undefined) !== (kind === 'message')) continue;
          if (senderId !== undefined && chunk.senderId !== senderId) continue;
          if (chunk.createdAtMs < fromMs || chunk.createdAtMs > toMs) continue;
          scored.push({ id: chunk.id, messageId, score: dot(query, embedding) });
        }
      }
    }
    return scored.sort((one, other) => other.score - one.score || (one.id < other.id ? -1 : 1)).slice(0, Math.max(0, k));
  }

  async chunksOf(messageIds: readonly MessageId[]): Promise<StoredChunk[]> {
    return [...new Set(messageIds)].flatMap((messageId) =>
      [...(this.byMessage.get(messageId)?.values() ?? [])].map(({ chunk }) => ({ id: chunk.id, messageId, version: chunk.version })),
    );
  }

  async chunkIdsFrom(cursor: string | undefined, limit: number): Promise<{ ids: string[]; next: string | undefined }> {
    const from = Number(cursor ?? 0);
    const ids = [...this.byMessage.values()].flatMap((chunks) => [...chunks.keys()]).slice(from, from + limit);
    return { ids, next: ids.length < limit ? undefined : String(from + limit) };
  }

  async remove(chunkIds: readonly string[]): Promise<void> {
    const wanted = new Set(chunkIds);
    for (const [messageId, chunks] of this.byMessage) {
      for (const id of chunks.keys()) if (wanted.has(id)) chunks.delete(id);
      if (chunks.size === 0) this.byMessage.delete(messageId);
    }
  }

  async chunkIdsOfSender(senderId: UserId, limit: number): Promise<string[]> {
    const chunks = [...this.byMessage.values()].flatMap((held) => [...held.values()].map(({ chunk }) => chunk));
    return chunks
      .filter((chunk) => chunk.senderId === senderId)
      .map(({ id }) => id)
      .slice(0, limit);
  }

  private hold(held: Held): void {
    const { id, messageId, conversationId } = held.chunk;
    const chunks = this.byMessage.get(messageId) ?? new Map<string, Held>();
    this.byMessage.set(messageId, chunks.set(id, held));
    this.messagesOf.set(conversationId, (this.messagesOf.get(conversationId) ?? new Set()).add(messageId));
  }

  private dropSurplus(messageId: MessageId, current: ReadonlySet<string>, version: number): void {
    const chunks = this.byMessage.get(messageId);
    for (const [id, { chunk }] of chunks ?? []) if (!current.has(id) && chunk.version <= version) chunks?.delete(id);
  }

  private drop(messageId: MessageId): void {
    const chunks = this.byMessage.get(messageId);
    for (const { chunk } of chunks?.values() ?? []) this.messagesOf.get(chunk.conversationId)?.delete(messageId);
    this.byMessage.delete(messageId);
  }

  private checkDimension(embedding: Float32Array): void {
    if (embedding.length !== this.dimension) throw new RangeError(`this store holds ${this.dimension} dimensions, got ${embedding.length}`);
  }
}

function dot(one: Float32Array, other: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < one.length; i += 1) sum += (one[i] ?? 0) * (other[i] ?? 0);
  return Math.max(-1, Math.min(1, sum));
}
