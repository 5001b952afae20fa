import { metrics } from '#lib/runtime/metrics/metrics';
import type { PoolState } from '#lib/runtime/work/pools';

/** How many calls may run at once, and how many may wait for a place. */
export interface SemaphoreLimits {
  readonly concurrent: number;
  readonly queued: number;
}

/** No place, and no place to wait for one. */
export class SemaphoreFull extends Error {
  constructor(pool: string) {
    super(`${pool}: no place left`);
    this.name = 'SemaphoreFull';
  }
}

interface Waiting {
  readonly enter: () => void;
  readonly refuse: (reason: unknown) => void;
}

/**
 * Limits the calls in flight; the others wait in the order they came, up to a limit. It stands outside the breaker, because being
 * busy is not being broken. Several bulkheads may share a `pool` name: the metrics add them up.
 */
export class Semaphore {
  private active = 0;
  private releases = 0;
  // A set keeps the order of insertion and lets the one that gives up leave from the middle at no cost.
  private readonly waiting = new Set<Waiting>();

  constructor(
    private readonly pool: string,
    private readonly limits: SemaphoreLimits,
  ) {}

  /**
   * Runs `work` when there is a place.
   * @throws SemaphoreFull at once when too many wait already, and when no place came free `withinMs`; the reason of `signal` when it fires
   * while waiting.
   */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal, withinMs?: number): Promise<T> {
    await this.enter(signal, withinMs);
    try {
      return await work();
    } finally {
      this.leave();
    }
  }

  /** For whoever watches that places come back (`watchPool`). */
  get state(): PoolState {
    return { size: this.limits.concurrent, inUse: this.active, waiting: this.waiting.size, releases: this.releases };
  }

  /** Sends away everybody who waits, with that reason. What runs goes on. */
  refuseWaiting(reason: () => unknown): void {
    for (const { refuse } of this.waiting) refuse(reason());
  }

  private async enter(signal: AbortSignal | undefined, withinMs: number | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.active < this.limits.concurrent) return this.occupy();
    if (this.waiting.size >= this.limits.queued) throw new SemaphoreFull(this.pool);
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => waiting.refuse(signal?.reason);
      const patience = withinMs === undefined ? undefined : setTimeout(() => waiting.refuse(new SemaphoreFull(this.pool)), withinMs);
      const end = () => {
        clearTimeout(patience);
        this.waiting.delete(waiting);
        metrics.workerPoolQueued.dec({ pool: this.pool });
        signal?.removeEventListener('abort', onAbort);
      };
      const waiting: Waiting = {
        enter: () => {
          end();
          // Occupied here, not after the await: nobody who arrives in between may take the place.
          this.occupy();
          resolve();
        },
        refuse: (reason) => {
          end();
          reject(reason);
        },
      };
      this.waiting.add(waiting);
      metrics.workerPoolQueued.inc({ pool: this.pool });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  private occupy(): void {
    this.active += 1;
    metrics.workerPoolActive.inc({ pool: this.pool });
  }

  private leave(): void {
    this.active -= 1;
    this.releases += 1;
    metrics.workerPoolActive.dec({ pool: this.pool });
    const [next] = this.waiting;
    next?.enter();
  }
}
