import { setTimeout as passing } from 'node:timers/promises';
import { cpuMs } from './cpu-time.js';

/** How long the event loop was held between two timers, in milliseconds of its own CPU time: a busy machine lengthens the wait, not this. */
export interface LoopHold {
  readonly p99Ms: number;
  readonly maxMs: number;
}

const EVERY_MS = 5;

/** Measures how long `work` keeps timers of this process from running. Work that never lets the loop turn is one hold as long as the work. */
export const loopHoldDuring = async (work: () => Promise<unknown>): Promise<LoopHold> => {
  const holds: number[] = [];
  let before = cpuMs();
  const sample = () => {
    const now = cpuMs();
    holds.push(now - before);
    before = now;
  };
  const timer = setInterval(sample, EVERY_MS);
  await passing(2 * EVERY_MS);
  try {
    await work();
    await passing(2 * EVERY_MS);
  } finally {
    clearInterval(timer);
  }
  sample();
  holds.sort((one, other) => one - other);
  return { p99Ms: holds[Math.ceil(0.99 * holds.length) - 1] ?? 0, maxMs: holds.at(-1) ?? 0 };
};
