import { workInFlight, workInFlightCount, type WorkReport } from './work-registry.js';
import { type PoolReport, poolReports } from './pools.js';

/** What one process has in hand: the answer to "where does it hang?" (R063, R064). */
export interface ProcessReport {
  readonly pid: number;
  /** RFC 3339. */
  readonly at: string;
  readonly uptimeSeconds: number;
  /** How late timers run, as the process itself measured it last; milliseconds. */
  readonly eventLoopLagMs: number;
  readonly work: {
    readonly count: number;
    /** The oldest first. */
    readonly items: readonly WorkReport[];
  };
  readonly pools: readonly PoolReport[];
  /** What else was asked to stand here, e.g. `breakers`. */
  readonly [section: string]: unknown;
}

const sections = new Map<string, () => unknown>();

/** Adds a section to every report of this process. `read` must only look at what is known. */
export const reportAlso = (section: string, read: () => unknown): void => void sections.set(section, read);

/** The report of this process now. @param limit of the units of work that are listed. */
export const processReport = (limit: number, eventLoopLagMs: number): ProcessReport => {
  const now = performance.now();
  const items: WorkReport[] = [];
  for (const work of workInFlight()) {
    if (items.length >= limit) break;
    items.push(work.report(now));
  }
  return {
    pid: process.pid,
    at: new Date().toISOString(),
    uptimeSeconds: Math.round(process.uptime()),
    eventLoopLagMs: Math.round(eventLoopLagMs),
    work: { count: workInFlightCount(), items },
    pools: poolReports(now),
    ...Object.fromEntries([...sections].map(([name, read]) => [name, read()])),
  };
};
