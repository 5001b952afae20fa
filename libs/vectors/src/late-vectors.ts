import { setTimeout as sleep } from 'node:timers/promises';
import { DependencyError } from '#lib/resilience/call/errors';
import { ConfigError } from '#lib/runtime/config/config';
import type { Logger } from '#lib/runtime/log/logger';
import { exponential } from '#lib/runtime/work/backoff';
import type { EmbedderPort } from './embedder/embedder.port.js';
import type { VectorStorePort } from './store/vector-store.port.js';

/** An embedder, and the store that holds vectors of its model. */
export interface Vectors {
  readonly embedder: EmbedderPort;
  readonly vectors: VectorStorePort;
}

/** Pauses between tries; the longest is as long as an open breaker of an embedder waits. */
const RETRY = { baseMs: 1_000, capMs: 60_000 } as const;

/**
 * Embedder and vector store for processes that must start without their model: a remote one may have to be asked for its dimension first, and
 * the dimension names the collection.
 *
 *     unopened --open(), start()--> opening --built--> open
 *        `------------------------- failed <---'
 */
export class LateVectors {
  private readonly stopping = new AbortController();
  private built: Vectors | undefined;
  private opening: Promise<Vectors> | undefined;

  /** @param build resolves with the parts; may reject any number of times. */
  constructor(
    private readonly build: () => Promise<Vectors>,
    private readonly logger: Logger,
  ) {}

  /** What is open. @throws DependencyError while it is not. */
  readonly get = (): Vectors => {
    if (this.built === undefined) throw new DependencyError('embedder', 'start', 'unavailable');
    return this.built;
  };

  /** Opens them if they are not open; callers at the same moment share one try. Rejects with what `build` rejects with; the next call tries again. */
  async open(): Promise<Vectors> {
    if (this.built !== undefined) return this.built;
    // `built` is set before `opening` is cleared: a caller in between must not build again.
    this.opening ??= this.build()
      .then((built) => {
        if (this.stopping.signal.aborted) closeAll(built);
        return (this.built = built);
      })
      .finally(() => (this.opening = undefined));
    return this.opening;
  }

  /** Resolves after the first try; goes on trying when that failed. @throws ConfigError when no try can ever work. */
  async start(): Promise<void> {
    if (!(await this.tryOnce())) void this.tryUntilOpen();
  }

  /** Tries no more and closes what is open. */
  stop(): void {
    this.stopping.abort();
    if (this.built !== undefined) closeAll(this.built);
  }

  private async tryUntilOpen(): Promise<void> {
    for (let failures = 1; ; failures += 1) {
      await sleep(exponential(failures, RETRY), undefined, { signal: this.stopping.signal, ref: false }).catch(() => undefined);
      if (this.stopping.signal.aborted || (await this.tryOnce())) return;
    }
  }

  private async tryOnce(): Promise<boolean> {
    try {
      await this.open();
      return true;
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      this.logger.warn({ err: error }, 'the embedder does not answer: searching by words alone until it does');
      return false;
    }
  }
}

function closeAll({ embedder, vectors }: Vectors): void {
  embedder.close();
  vectors.close();
}
