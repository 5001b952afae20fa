import { Semaphore, type SemaphoreLimits, type Waiting } from './semaphore.js';

/** A semaphore of its own for each caller, so that no caller waits behind another one. An idle caller costs nothing. */
export class SemaphorePerCaller {
  private readonly byCaller = new Map<string, Semaphore>();

  /** @param pool label of the metrics, which add all callers up. @param limits of each caller. */
  constructor(
    private readonly pool: string,
    private readonly limits: SemaphoreLimits,
  ) {}

  /** Runs `work` with a permit of `caller`. @throws as {@link Semaphore.run} does. */
  async run<T>(caller: string, work: () => Promise<T>, waiting?: Waiting): Promise<T> {
    const semaphore = this.byCaller.get(caller) ?? new Semaphore(this.pool, this.limits);
    this.byCaller.set(caller, semaphore);
    try {
      return await semaphore.run(work, waiting);
    } finally {
      const { inUse, waiting } = semaphore.state;
      if (inUse === 0 && waiting === 0) this.byCaller.delete(caller);
    }
  }

  /** Callers that run or wait. */
  get size(): number {
    return this.byCaller.size;
  }
}
