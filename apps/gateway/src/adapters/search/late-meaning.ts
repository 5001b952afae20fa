import { setTimeout as sleep } from 'node:timers/promises';
import { DependencyError } from '#lib/resilience/call/errors';
import { ConfigError } from '#lib/runtime/config/config';
import type { Logger } from '#lib/runtime/log/logger';
import type { Meaning } from '../../search/nearest-messages.js';

/** Longest pause between two tries, in milliseconds: as long as an open breaker of an embedder waits. */
const RETRY_CAP_MS = 60_000;

/**
 * Embedder and vector store, there as soon as they can be: a remote model may have to be asked for its dimension first, and the gateway must
 * start without it. Until then search goes without meaning.
 */
export class LateMeaning {
  private readonly stopping = new AbortController();
  private built: Meaning | undefined;

  /** @param build resolves with the parts; may reject any number of times. */
  constructor(
    private readonly build: () => Promise<Meaning>,
    private readonly logger: Logger,
  ) {}

  /** @throws DependencyError while they are not there. */
  readonly get = (): Meaning => {
    if (this.built === undefined) throw new DependencyError('embedder', 'start', 'unavailable');
    return this.built;
  };

  /** Resolves after the first try; goes on trying when that failed. @throws ConfigError when no try can ever work. */
  async start(): Promise<void> {
    if (!(await this.tryOnce())) void this.tryUntilBuilt();
  }

  stop(): void {
    this.stopping.abort();
  }

  private async tryUntilBuilt(): Promise<void> {
    for (let waitMs = 1_000; ; waitMs = Math.min(RETRY_CAP_MS, waitMs * 2)) {
      await sleep(waitMs, undefined, { signal: this.stopping.signal, ref: false }).catch(() => undefined);
      if (this.stopping.signal.aborted || (await this.tryOnce())) return;
    }
  }

  private async tryOnce(): Promise<boolean> {
    try {
      this.built = await this.build();
      return true;
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      this.logger.warn({ err: error }, 'the embedder does not answer: searching by words alone until it does');
      return false;
    }
  }
}
