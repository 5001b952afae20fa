/** What was seen of one service in one window of a minute. Shares are 0 to 1, times seconds. */
export interface LoadWindow {
  /** Share of the CPU that the pods of the service may use. */
  readonly cpu: number;
  /** Share of the time in which the CPU limit held its pods back. */
  readonly throttled: number;
  /** Busy share of the event loops: added up over all workers, of the busiest, and of the least busy. */
  readonly eventLoops: { readonly sum: number; readonly max: number; readonly min: number };
  readonly eventLoopLag: number;
  /** Share of the memory limit, of the fullest pod. */
  readonly memory: number;
  /** Requests, frames or events that came in per second. */
  readonly arrivals: number;
  /** What its callers wait for; undefined when nothing was asked. */
  readonly latencyP95?: number | undefined;
  readonly poolWaitP95: number;
  /** Waits for a connection that were given up, per second. */
  readonly poolTimeouts: number;
  /** Connections to Postgres in use on average, over all workers. */
  readonly connectionsInUse: number;
}

/** A dependency as the service sees it. */
export interface DependencyView {
  readonly name: string;
  /** Its breaker was open within the window. */
  readonly isBroken: boolean;
  readonly latencyP95?: number | undefined;
  /** The longest that a call may take; undefined when operations have different ones. */
  readonly cap?: number | undefined;
}

/** The fullest of the queues that the service consumes. */
export interface QueueView {
  readonly name: string;
  readonly ready: number;
  /** Messages that it takes before the broker refuses more. */
  readonly capacity: number;
  readonly arrivals: number;
  /** Messages handled per second, by all workers together. */
  readonly handled: number;
  /** Of one message in one place. */
  readonly serviceSeconds: number;
  /** Batches that a worker handles at once, and the most that it can be set to. */
  readonly concurrency: number;
  readonly concurrencyLimit: number;
  /** In which a backlog must be gone. */
  readonly drainSeconds: number;
  /** Seconds since its depth is known without a break: a broker that has just begun reports queues as empty. */
  readonly knownForSeconds: number;
  /** What limits how many can be handled, however many workers there are. */
  readonly limit?: { readonly name: string; readonly perMinute: number; readonly callsPerMessage: number; readonly callSeconds: number };
}

/** Throughput that was measured with so many workers. */
export interface LoadPoint {
  readonly workers: number;
  readonly perSecond: number;
}

/** All that advice on one service is derived from. */
export interface ServiceSnapshot {
  readonly service: string;
  readonly pods: number;
  /** The most that an autoscaler makes of them. */
  readonly podsMax: number;
  /** Pods that a rollout adds for a while. */
  readonly surge: number;
  /** Of each pod. */
  readonly workers: number;
  /** The most that this service can run in one pod: 1 where it has no supervisor of workers. */
  readonly workersLimit: number;
  /** Of each pod. */
  readonly cores: number;
  /** What one worker can use at most. */
  readonly coresPerWorker: number;
  /** Bytes of each pod, of each of its workers, and of an empty pod. */
  readonly memoryLimit: number;
  readonly memoryPerWorker: number;
  readonly memoryEmpty: number;
  /** Whether limits say so, or only the machine. */
  readonly isLimited: { readonly cpu: boolean; readonly memory: boolean };
  /** Memory and load now as a multiple of ten minutes ago. */
  readonly memoryGrowth: number;
  readonly loadGrowth: number;
  /** The greatest arrival rate of a window as a multiple of the mean. */
  readonly peakToMean: number;
  readonly poolSize: number;
  /** Sockets of each pod for a service that holds them; they cannot be moved by adding pods. */
  readonly sockets?: number | undefined;
  /** Longest 95th percentile that its callers should wait, in seconds. */
  readonly objective: number;
  readonly podsLeast: number;
  readonly startSeconds: number;
  /** Newest first, two of them. */
  readonly windows: readonly [LoadWindow, LoadWindow];
  readonly dependencies: readonly DependencyView[];
  readonly queue?: QueueView | undefined;
  /** How long CPU, event loops and queue have been as low as the newest window shows. */
  readonly quietSeconds: number;
  /** Since the number of pods or workers changed; undefined = not while it was watched. */
  readonly changedSeconds?: number | undefined;
  readonly loadPoints: readonly LoadPoint[];
}

/** What all services share. */
export interface SharedLimits {
  /** `max_connections` of Postgres; undefined = it could not be asked. */
  readonly maxConnections?: number | undefined;
  /** Connections that Parley may not use: the superuser's, and tools. */
  readonly reserved: number;
  /** Share of Postgres' CPU in use; undefined = not known. */
  readonly postgresCpu?: number | undefined;
  /** What the other services hold at most, surge included. */
  readonly otherConnections: number;
}

/** A service about which too little is known, and what is not. */
export interface UnknownService {
  readonly service: string;
  readonly pods: number;
  readonly unknown: readonly string[];
}
