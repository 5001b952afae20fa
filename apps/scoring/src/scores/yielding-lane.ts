import { setTimeout as sleep } from 'node:timers/promises';

/** Rest for each millisecond of work: what runs here keeps at most a quarter of a core and of one connection busy. */
const REST_PER_WORK = 3;
/** An analysis by a language model takes seconds in which this process waits for it: nothing has to rest for that. */
const MAX_REST_MS = 250;

interface Clock {
  readonly now: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<unknown>;
}

const processClock: Clock = { now: () => performance.now(), sleep: (ms, signal) => sleep(ms, undefined, { signal }) };

/** Work that has all night, one after the other: what is slow because others need the machine rests longer. */
export class YieldingLane {
  private restsUntil = 0;

  /** @param clock milliseconds that only rise, and how to wait for some; default: those of this process. */
  constructor(private readonly clock: Clock = processClock) {}

  /** Runs `work` once the rest after the work before it is over. @throws what `work` throws, or the reason of `signal` while it rests. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const restMs = this.restsUntil - this.clock.now();
    if (restMs > 0) await this.clock.sleep(restMs, signal);
    const startedAt = this.clock.now();
    try {
      return await work();
    } finally {
      const endedAt = this.clock.now();
      this.restsUntil = endedAt + Math.min(MAX_REST_MS, REST_PER_WORK * (endedAt - startedAt));
    }
  }
}
