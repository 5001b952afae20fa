import type { MessageId } from '#lib/contracts/ids';
import { currentDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import type { Semaphore } from '#lib/resilience/limit/semaphore';
import type { Chunk } from '#lib/vectors/chunking/chunk';
import { VectorStorePort } from '#lib/vectors/store/vector-store.port';
import { VectorWritesPort } from '#lib/vectors/store/vector-writes.port';

/** What the vector store should hold for one message; without chunks nothing. */
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
 * Writes to the vector store under a write intent (ADR 19): a write without an answer, or of a process that died, leaves its intent, and
 * `ops` compares the messages it names until the write can have no effect any more.
 */
export class WriteVectors {
  constructor(
    private readonly vectors: VectorStorePort,
    private readonly writes: VectorWritesPort,
    /** Lets so many write at once; without it all do. */
    private readonly turns?: Semaphore,
  ) {}

  /** @throws DependencyError when the store or the intent log is out. */
  async execute(all: readonly VectorsOfMessage[]): Promise<void> {
    if (all.length === 0) return;
    if (this.turns === undefined) return this.write(all);
    await this.turns.run(() => this.write(all), { signal: currentDeadline()?.signal });
  }

  private async write(all: readonly VectorsOfMessage[]): Promise<void> {
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

/** Whether a failed call is over: refused before it was made, or answered by the store. */
const mayHappenYet = (error: unknown): boolean => error instanceof DeadlineExceeded || (error instanceof DependencyError && error.wasTried);
