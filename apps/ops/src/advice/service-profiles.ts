/** What of a service is not in its metrics. */
export interface ServiceProfile {
  readonly service: string;
  /** Counts what comes in. */
  readonly arrivals: { readonly metric: string; readonly labels?: Readonly<Record<string, string>> };
  /** Histogram of what its callers wait for, and the longest 95th percentile that is well, in seconds. */
  readonly latency?: { readonly metric: string; readonly objective: number };
  /** Gauge of the sockets that it holds. */
  readonly sockets?: string;
  /** The most workers of one pod: only the gateway has a supervisor of workers. */
  readonly workersLimit: number;
  /** Pods that survive the loss of one (R053). */
  readonly podsLeast: number;
}

/** The sweet spot ends there (R045). */
const GATEWAY_WORKERS = 8;

/** The services that advice is given on. */
export const serviceProfiles: readonly ServiceProfile[] = [
  {
    service: 'gateway',
    arrivals: { metric: 'http_request_duration_seconds_count' },
    latency: { metric: 'http_request_duration_seconds', objective: 1 }, // R054
    workersLimit: GATEWAY_WORKERS,
    podsLeast: 2,
  },
  {
    service: 'realtime',
    arrivals: { metric: 'ws_frames_total' },
    latency: { metric: 'time_to_delivered_seconds', objective: 0.5 }, // half of the second after which a person notices
    sockets: 'ws_connections',
    workersLimit: 1,
    podsLeast: 2,
  },
  {
    service: 'embedding',
    arrivals: { metric: 'event_attempts_total' },
    latency: { metric: 'time_to_searchable_seconds', objective: 2 }, // docs/performance.md
    workersLimit: 1,
    podsLeast: 2,
  },
  {
    service: 'delivery',
    arrivals: { metric: 'event_attempts_total' },
    latency: { metric: 'time_to_fan_out_seconds', objective: 0.5 },
    workersLimit: 1,
    podsLeast: 2,
  },
  { service: 'scoring', arrivals: { metric: 'event_attempts_total' }, workersLimit: 1, podsLeast: 2 },
  // Everything that it does can wait until it is back.
  { service: 'ops', arrivals: { metric: 'event_attempts_total' }, workersLimit: 1, podsLeast: 1 },
];
