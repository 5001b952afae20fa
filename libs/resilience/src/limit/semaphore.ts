import { metrics } from '#lib/runtime/metrics/metrics';
import type { PoolState } from '#lib/runtime/work/pools';
import { FairQueue } from './fair-queue.js';

/** How many permits there are, and how many may wait for one. */
export interface SemaphoreLimits {
  readonly concurrent: number;
  readonly queued: number;
  /** How many of one caller may wait; default: as many as `queued`. */
  readonly queuedPerCaller?: number;
}

/** How one acquirer waits for its permit. */
export interface Waiting {
  /** Ends the wait, with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Longest wait in milliseconds; default: no limit. */
  readonly withinMs?: number | undefined;
  /** On whose behalf: callers that wait are served in turn, one permit each (fair-queue.ts). Without it all are one caller. */
  readonly caller?: string | undefined;
}

/** No permit is free, and no more may wait for one. */
export class SemaphoreFull extends Error {
  constructor(pool: string) {
    super(`${pool}: no permit left`);
    this.name = 'SemaphoreFull';
  }
}

interface Waiter {
  readonly enter: () => void;
  readonly refuse: (reason: unknown) => void;
}

/**
 * Limits what runs at once; the rest waits, up to a limit: first come, first served, or in turn per caller.
 * It stands outside a breaker, because being busy is not being broken. Semaphores of one `pool` are added up in the metrics.
 */
export class Semaphore {
  private active = 0;
  private releases = 0;
  private readonly waiters = new FairQueue<Waiter>();
  private whenIdle: (() => void)[] = [];

  /** @param pool label of `worker_pool_*`; undefined: not measured there. */
  constructor(
    private readonly pool: string | undefined,
    private readonly limits: SemaphoreLimits,
  ) {}

  /**
   * Runs `work` with a permit.
   * @throws SemaphoreFull at once when too many wait already, and when no permit came free `withinMs`; the reason of `signal` when it fires
   * during the wait.
   */
  async run<T>(work: () => Promise<T>, waiting?: Waiting): Promise<T> {
    await this.acquire(waiting);
    try {
      return await work();
    } finally {
      this.release();
    }
  }

  /** Takes a permit if one is free. It must be released. */
  tryAcquire(): boolean {
    if (this.active >= this.limits.concurrent) return false;
    this.occupy();
    return true;
  }

  /** Takes a permit, waiting for it if need be. It must be released. @throws as {@link run} does. */
  async acquire({ signal, withinMs, caller = '' }: Waiting = {}): Promise<void> {
    signal?.throwIfAborted();
    if (this.tryAcquire()) return;
    const { queuedPerCaller = Number.POSITIVE_INFINITY } = this.limits;
    if (this.isFull || this.waiters.sizeOf(caller) >= queuedPerCaller || (withinMs ?? 1) <= 0) throw this.full();
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => waiter.refuse(signal?.reason);
      const timer = withinMs === undefined ? undefined : setTimeout(() => waiter.refuse(this.full()), withinMs);
      const end = () => {
        clearTimeout(timer);
        this.waiters.remove(caller, waiter);
        this.countQueued(-1);
        signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        enter: () => {
          end();
          // Occupied here, not after the await: a caller that arrives in between must not take the permit.
          this.occupy();
          resolve();
        },
        refuse: (reason) => {
          end();
          reject(reason);
        },
      };
      this.waiters.push(caller, waiter);
      this.countQueued(1);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Takes a permit even when none is free, for work that held one before: nothing else gets one until the surplus is released. */
  acquireAnyway(): void {
    this.occupy();
  }

  release(): void {
    this.active -= 1;
    this.releases += 1;
    this.countActive(-1);
    if (this.active < this.limits.concurrent) this.waiters.shift()?.enter();
    if (this.active > 0) return;
    const told = this.whenIdle;
    this.whenIdle = [];
    for (const tell of told) tell();
  }

  /** Resolves when no permit is taken. */
  async idle(): Promise<void> {
    if (this.active > 0) await new Promise<void>((resolve) => this.whenIdle.push(resolve));
  }

  /** Whether one more would be refused: every permit is taken, and as many wait as may. */
  get isFull(): boolean {
    return this.active >= this.limits.concurrent && this.waiters.size >= this.limits.queued;
  }

  /** Permits in use, more than there are after {@link acquireAnyway}; read by `watchPool`. */
  get state(): PoolState {
    return { size: this.limits.concurrent, inUse: this.active, waiting: this.waiters.size, releases: this.releases };
  }

  /** Refuses all that wait now, with that reason. What runs goes on. */
  refuseWaiting(reason: () => unknown): void {
    for (let next = this.waiters.shift(); next !== undefined; next = this.waiters.shift()) next.refuse(reason());
  }

  private occupy(): void {
    this.active += 1;
    this.countActive(1);
  }

  private full(): SemaphoreFull {
    return new SemaphoreFull(this.pool ?? 'semaphore');
  }

  private countActive(change: 1 | -1): void {
    if (this.pool !== undefined) metrics.workerPoolActive.inc({ pool: this.pool }, change);
  }

  private countQueued(change: 1 | -1): void {
    if (this.pool !== undefined) metrics.workerPoolQueued.inc({ pool: this.pool }, change);
  }
}
