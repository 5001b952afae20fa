import { Injectable } from '@nestjs/common';
import type { MessageId } from '#lib/contracts/ids';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import type { Chunk } from '#lib/vectors/chunking/chunk';
import { VectorStorePort } from '#lib/vectors/store/vector-store.port';
import { VectorWritesPort } from '#lib/vectors/store/vector-writes.port';

/** What the vector store should hold of one message from now on; no chunks: nothing. */
export interface VectorsOfMessage {
  readonly messageId: MessageId;
  readonly chunks: readonly Chunk[];
  readonly embeddings: readonly Float32Array[];
  /** Whether chunks of another version may be there. */
  readonly mayHaveOlder: boolean;
  /** Stored chunks of versions that the message never had; upserting would leave those that are one too many. */
  readonly falseChunkIds: readonly string[];
}

/**
 * Writes to the vector store under a note that it does (ADR 19): a write that ends without an answer, or whose process dies, leaves the note,
 * and `ops` compares what it names until nothing can come of it any more.
 */
@Injectable()
export class WriteVectors {
  constructor(
    private readonly vectors: VectorStorePort,
    private readonly writes: VectorWritesPort,
  ) {}

  /** @throws DependencyError when the store or the intent log cannot. */
  async execute(all: readonly VectorsOfMessage[]): Promise<void> {
    if (all.length === 0) return;
    const id = await this.writes.begin(all.map(({ messageId }) => messageId));
    try {
      await this.vectors.remove(all.flatMap(({ falseChunkIds }) => falseChunkIds));
      await this.vectors.replace(
        all.flatMap(({ chunks }) => chunks),
        all.flatMap(({ embeddings }) => embeddings),
        {
          removed: all.filter(({ chunks }) => chunks.length === 0).map(({ messageId }) => messageId),
          mayHaveOlder: all.filter(({ mayHaveOlder }) => mayHaveOlder).map(({ messageId }) => messageId),
        },
      );
    } catch (error) {
      if (!mayHappenYet(error)) await this.writes.end(id);
      throw error;
    }
    await this.writes.end(id);
  }
}

/** A call that was refused before it was made, or that the store answered, is over. */
const mayHappenYet = (error: unknown): boolean => error instanceof DeadlineExceeded || (error instanceof DependencyError && error.wasTried);
