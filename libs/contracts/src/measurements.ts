import { z } from 'zod';

/** Points that are kept: 15 minutes of one every 5 s, a round of `ops`. */
export const MOST_POINTS = 180;

const perSecond = z.number().nonnegative().nullable();

/** Milliseconds; null = nothing happened, or not known. */
const milliseconds = z.array(z.number().nonnegative().nullable()).max(MOST_POINTS);

/** Quantiles in milliseconds, each over the 60 s before its point; as long as `times`, the newest last. */
const Quantiles = z.object({ p50: milliseconds, p95: milliseconds, p99: milliseconds });

/** Latencies of the last 15 minutes as columns, which is how charts take them. */
export const LatencyColumns = z.object({
  times: z.array(z.int()).max(MOST_POINTS).meta({ description: 'Times of the points in Unix seconds, one every 5 s, the oldest first' }),
  ack: Quantiles.meta({ description: 'From a send over HTTP to its answer 202' }),
  delivery: Quantiles.meta({ description: 'From the commit of a message to the last socket of its members on a process' }),
  search: Quantiles.meta({ description: 'One search' }),
  searchable: Quantiles.meta({ description: 'From the commit of a message to its vectors' }),
});
export type LatencyColumns = z.infer<typeof LatencyColumns>;

/** One target that `ops` asks for metrics: a process, or the workers behind one port. */
export const MeasuredProcess = z.object({
  service: z.string().max(64).meta({ description: '`unknown` while it has never answered' }),
  target: z.string().max(500).meta({ description: 'Address that ops asks, without credentials' }),
  ready: z.boolean().meta({ description: 'It answered in the last round' }),
  since: z.iso.datetime().meta({ description: 'Since when it answers or does not; at the earliest the first round of ops' }),
  startedAt: z.iso.datetime().nullable().meta({ description: 'When its oldest process started' }),
  workers: z.int().nonnegative().nullable().meta({ description: 'Processes behind the port' }),
  memoryBytes: z.number().nonnegative().nullable().meta({ description: 'Resident, of all its workers' }),
  memoryLimitBytes: z.number().nonnegative().nullable(),
  cpuCores: z.number().nonnegative().nullable().meta({ description: 'Cores in use, over the last minute' }),
  loopLagMs: z.number().nonnegative().nullable().meta({ description: 'P99 of how late timers run' }),
});
export type MeasuredProcess = z.infer<typeof MeasuredProcess>;

/** How much goes into a queue and how much its consumers settle, over the last minute. */
export const MeasuredQueue = z.object({ name: z.string().max(255), publishedPerSecond: perSecond, handledPerSecond: perSecond });
export type MeasuredQueue = z.infer<typeof MeasuredQueue>;

/** What `ops` has measured of all processes; a value that it does not know is null, never 0. */
export const Measurements = z.object({
  at: z.iso.datetime().meta({ description: 'The newest round' }),
  processes: z.array(MeasuredProcess).max(200),
  queues: z.array(MeasuredQueue).max(100),
  latencies: LatencyColumns,
});
export type Measurements = z.infer<typeof Measurements>;
