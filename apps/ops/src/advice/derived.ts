import type { QueueView, ServiceSnapshot, SharedLimits } from './snapshot.js';

/** A pod of more workers than this gains little: 4 to 8 is the sweet spot (R045). */
export const MOST_WORKERS = 8;
const MEMORY_SHARE = 0.8;
/** Of the connections that are left for Parley, so many may be used (R057). */
const CONNECTION_SHARE = 0.8;
/** A pool is made half again as large as Little's law says: arrivals come in bunches. */
const POOL_HEADROOM = 1.5;
/** Share of the time that a worker of a queue should be busy. */
const BUSY_SHARE = 0.8;

/** Rounded up, but not because of the last bit of a fraction. */
export const ceiling = (value: number): number => Math.ceil(value - 1e-9);
export const floor = (value: number): number => Math.floor(value + 1e-9);

/** Workers that fit into one pod: by cores, by memory, and by what is sensible. At least 1. */
export function workersMax({ cores, coresPerWorker, memoryLimit, memoryPerWorker, workersLimit }: ServiceSnapshot): number {
  const byCores = floor(cores / coresPerWorker);
  const byMemory = memoryPerWorker <= 0 ? MOST_WORKERS : floor((MEMORY_SHARE * memoryLimit) / memoryPerWorker);
  return Math.max(1, Math.min(byCores, byMemory, MOST_WORKERS, workersLimit));
}

/** What counts for the connections of a service. */
export interface Footprint {
  readonly pods: number;
  readonly surge: number;
  readonly workers: number;
  readonly poolSize: number;
}

/** Connections of one service at the worst moment of a rollout: (pods + surge) x workers x pool. */
export const connectionsOf = ({ pods, surge, workers, poolSize }: Footprint): number => (pods + surge) * workers * poolSize;

/** Connections that all services together may use: 80 % of `max_connections` without the reserved ones. Undefined = not known. */
export const budgetOf = ({ maxConnections, reserved }: SharedLimits): number | undefined =>
  maxConnections === undefined ? undefined : floor(CONNECTION_SHARE * (maxConnections - reserved));

/** The largest pool with which a service stays inside what the others leave of the budget. */
export const poolCap = ({ pods, surge, workers }: Omit<Footprint, 'poolSize'>, budget: number, others: number): number =>
  Math.max(0, floor((budget - others) / ((pods + surge) * workers)));

/** The pool that a worker needs by Little's law: connections in use, and half as many again. */
export const poolNeed = (connectionsInUse: number, pods: number, workers: number): number =>
  Math.max(1, ceiling((POOL_HEADROOM * connectionsInUse) / (pods * workers)));

/** `max_connections` for which so many connections are inside the budget. */
export const maxConnectionsFor = (connections: number, reserved: number): number => ceiling(connections / CONNECTION_SHARE) + reserved;

/** What a queue needs: its arrivals, and its backlog within the time for it. */
export interface QueueNeed {
  /** Messages per second. */
  readonly rate: number;
  /** Workers for that at their concurrency, each busy for 80 % of the time. */
  readonly workers: number;
  /** Batches at once in each of `workersNow` for the same. */
  readonly concurrency: number;
}

export function queueNeed({ arrivals, ready, drainSeconds, serviceSeconds, concurrency }: QueueView, workersNow: number): QueueNeed {
  const rate = arrivals + ready / drainSeconds;
  const perWorker = concurrency / serviceSeconds;
  return {
    rate,
    workers: ceiling(rate / (BUSY_SHARE * perWorker)),
    concurrency: ceiling((rate * serviceSeconds) / (BUSY_SHARE * workersNow)),
  };
}
