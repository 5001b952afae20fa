import { Piscina } from 'piscina';
import { currentDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded } from '#lib/resilience/call/errors';
import type { Logger } from '#lib/runtime/log/logger';
import { threadEntry } from '#lib/runtime/workers/thread-entry';
import type { Chunk } from '../chunk.js';
import type { ChunkSource } from '../chunk-message.js';

/** Longest time of one batch in milliseconds: five parts of the strangest text take 15. A thread that exceeds it is replaced. */
const LIMIT_MS = 10_000;
/** Threads without work end after this long. */
const IDLE_MS = 30_000;
/** Heap of a thread in MB: a batch is less than 1. */
const resourceLimits = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 16 } as const;
/** Lower priority of the threads: the event loop, and the messages on it, go first where both want one core. */
const NICE = 10;

/** Cuts parts of documents into chunks in worker threads, off the event loop. They start with the first batch and end with `close`. */
export class ChunkThreads {
  private pool: Piscina<readonly ChunkSource[], Chunk[][]> | undefined;

  /** @param threads CHUNK_WORKERS. */
  constructor(
    private readonly threads: number,
    private readonly logger: Logger,
  ) {}

  /** The chunks of each source, in their order: what `chunkMessages` gives. @throws DeadlineExceeded. */
  readonly chunk = async (sources: readonly ChunkSource[]): Promise<Chunk[][]> => {
    if (sources.length === 0) return [];
    this.pool ??= this.start();
    const limit = AbortSignal.timeout(LIMIT_MS);
    const deadline = currentDeadline();
    try {
      return await this.pool.run(sources, { signal: deadline === undefined ? limit : AbortSignal.any([limit, deadline.signal]) });
    } catch (error) {
      if (error instanceof Error && error.name === 'AbortError') throw new DeadlineExceeded(LIMIT_MS);
      throw error;
    }
  };

  async close(): Promise<void> {
    await this.pool?.destroy();
  }

  private start(): Piscina<readonly ChunkSource[], Chunk[][]> {
    const pool = new Piscina<readonly ChunkSource[], Chunk[][]>({
      ...threadEntry('./chunk-worker.js', import.meta.url),
      minThreads: 0,
      maxThreads: this.threads,
      idleTimeout: IDLE_MS,
      niceIncrement: NICE,
      resourceLimits,
    });
    // piscina replaces a thread that dies without work; without a listener its error would end the process.
    pool.on('error', (err) => this.logger.error({ err }, 'a thread that cuts documents died'));
    return pool;
  }
}
