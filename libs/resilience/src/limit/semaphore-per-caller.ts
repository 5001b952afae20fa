import { Semaphore, type SemaphoreLimits } from './semaphore.js';

/** Gives each caller places of its own, so that the work of one never stands before the work of another. Who is idle costs nothing. */
export class SemaphorePerCaller {
  private readonly byCaller = new Map<string, Semaphore>();

  /** @param pool label of the metrics, which add all callers up. @param limits of each caller. */
  constructor(
    private readonly pool: string,
    private readonly limits: SemaphoreLimits,
  ) {}

  /** Runs `work` when `caller` has a place. @throws SemaphoreFull when too much of it waits already; the reason of `signal` when it fires before. */
  async run<T>(caller: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const places = this.byCaller.get(caller) ?? new Semaphore(this.pool, this.limits);
    this.byCaller.set(caller, places);
    try {
      return await places.run(work, signal);
    } finally {
      const { inUse, waiting } = places.state;
      if (inUse === 0 && waiting === 0) this.byCaller.delete(caller);
    }
  }

  /** Callers that have work in hand. */
  get size(): number {
    return this.byCaller.size;
  }
}
