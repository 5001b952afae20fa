import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as passing } from 'node:timers/promises';

/** How late the event loop was, in milliseconds. */
export interface LoopDelay {
  readonly p99Ms: number;
  readonly maxMs: number;
}

const RESOLUTION_MS = 5;

/** Measures how late the event loop of this process is while `work` runs. Work that never lets it turn is one delay as long as the work. */
export const loopDelayDuring = async (work: () => Promise<unknown>): Promise<LoopDelay> => {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  // A delay is the time between two samples: without one before and one after the work nothing is seen of it.
  await passing(4 * RESOLUTION_MS);
  delay.reset();
  await passing(2 * RESOLUTION_MS);
  await work();
  await passing(2 * RESOLUTION_MS);
  delay.disable();
  return { p99Ms: delay.percentile(99) / 1e6, maxMs: delay.max / 1e6 };
};
