import type { ScrapeRounds, SeriesHistory, Window } from '../scrape/scrape-rounds.js';
import { ALL_IN_ONE } from '../scrape/scrape.port.js';
import { collectQueue, type QueueSettings } from './collect-queue.js';
import type { ServiceProfile } from './service-profiles.js';
import type { DependencyView, LoadWindow, ServiceSnapshot, UnknownService } from './snapshot.js';

/** Of a window at least this share must have been observed. */
const ENOUGH = 1 / 2;
const STALE_MS = 30_000;
const LONGEST_MS = 600_000;
const P95 = 0.95;
/** A collection of garbage is no block: of what the rounds of a window saw, the value that three quarters of them stay below. */
const MOSTLY = 0.75;
/** Of a realtime process without sockets (docs/performance/live.md: 138 MiB); others are like it. */
const EMPTY_PROCESS_BYTES = 138 * 2 ** 20;
/** What LLM calls may take (apps/scoring chat-api.ts); operations of the others differ. */
const CAPS: Readonly<Record<string, number>> = { llm: 15 };
const QUIET = 0.3;
/** Below one arrival per second bursts are chance. */
const SOME_LOAD = 1;
const WINDOWS_FOR_PEAKS = 5;

/** Metrics without which nothing can be said of a service. */
const NEEDED = [
  'process_cpu_seconds_total',
  'process_cpu_limit_cores',
  'process_memory_limit_bytes',
  'process_resident_memory_bytes',
  'nodejs_eventloop_active_seconds_total',
  'nodejs_eventloop_lag_p99_seconds',
  'db_pool_size',
] as const;

/** The samples that a snapshot is made of, beside those of the profile of its service. */
export const snapshotMetrics: readonly string[] = [
  ...NEEDED,
  'build_info',
  'worker_processes',
  'nodejs_eventloop_utilization',
  'nodejs_eventloop_utilization_lowest',
  'process_cpu_throttled_seconds_total',
  'process_start_duration_seconds',
  'db_pool_wait_seconds_bucket',
  'db_pool_timeouts_total',
  'db_conn_usage',
  'circuit_breaker_state',
  'dependency_call_duration_seconds_bucket',
  'dependency_call_duration_seconds_count',
];

/** What the snapshot of one service is derived from. */
export interface SnapshotSource {
  readonly rounds: ScrapeRounds;
  readonly settings: QueueSettings;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Pods that a rollout adds for a while: 1 where an orchestrator replaces them. */
  readonly surge: number;
  /** ADVICE_windowMs. */
  readonly windowMs: number;
}

/** What is known of one service, or what is not. */
export function collectSnapshot(profile: ServiceProfile, source: SnapshotSource): ServiceSnapshot | UnknownService {
  const { rounds, now, surge, settings, windowMs } = source;
  const { service } = profile;
  const processes = rounds.latest?.processes.filter((each) => each.service === service) ?? [];
  const pods = processes.length;
  const newest: Window = { ms: windowMs };
  const before: Window = { ms: windowMs, until: (rounds.latest?.at ?? 0) - windowMs };
  const unknown = unknownOf(source, service, pods, [newest, before]);
  if (unknown.length > 0) return { service, pods, unknown };
  const workers = Math.max(1, ...rounds.values('worker_processes', { service, labels: { state: 'running' } }).map(({ value }) => value));
  const memoryLimit = greatest(rounds, 'process_memory_limit_bytes', service);
  const resident = rounds.values('process_resident_memory_bytes', { service }).map(({ value }) => value);
  const sockets = profile.sockets === undefined ? undefined : (rounds.sum(profile.sockets, { service }) ?? 0) / pods;
  const changedAt = rounds.changedAt(service);
  return {
    service,
    pods,
    podsMax: pods,
    surge,
    workers,
    workersLimit: profile.workersLimit,
    cores: greatest(rounds, 'process_cpu_limit_cores', service),
    coresPerWorker: 1,
    memoryLimit,
    memoryPerWorker: sum(resident) / pods / workers,
    memoryEmpty: EMPTY_PROCESS_BYTES,
    isLimited: {
      cpu: rounds.values('process_cpu_limit_cores', { service, labels: { source: 'limit' } }).length > 0,
      memory: rounds.values('process_memory_limit_bytes', { service, labels: { source: 'limit' } }).length > 0,
    },
    ...growthOf(rounds, profile, windowMs),
    poolSize: greatest(rounds, 'db_pool_size', service),
    sockets,
    objective: profile.latency?.objective ?? Number.POSITIVE_INFINITY,
    podsLeast: profile.podsLeast,
    startSeconds: greatest(rounds, 'process_start_duration_seconds', service),
    windows: [windowOf(rounds, profile, newest), windowOf(rounds, profile, before)],
    dependencies: dependenciesOf(rounds, service, newest),
    queue: collectQueue(rounds, service, newest, settings),
    quietSeconds: quietFor(rounds, profile, windowMs),
    changedSeconds: changedAt === undefined ? undefined : (now - changedAt) / 1_000,
    loadPoints: [],
  };
}

function unknownOf({ rounds, now, windowMs }: SnapshotSource, service: string, pods: number, windows: readonly Window[]): string[] {
  const age = now - (rounds.latest?.at ?? 0);
  if (rounds.latest === undefined) return ['the metrics of any process are'];
  if (age > STALE_MS) return [`metrics newer than ${Math.round(age / 1_000)} s are`];
  if (rounds.latest.processes.some((each) => each.service === ALL_IN_ONE))
    return [`how much of its one process, beside which there can be no other, ${service} takes is`];
  if (pods === 0) return [`the metrics of any ${service} process are`];
  const absent = NEEDED.filter((name) => rounds.values(name, { service }).length === 0);
  if (absent.length > 0) return [`${absent.join(', ')} of ${service} ${absent.length === 1 ? 'is' : 'are'}`];
  if (windows.every((window) => rounds.observedMs(window, { service }) >= ENOUGH * windowMs)) return [];
  const seen = Math.round(rounds.observedMs({ ms: 2 * windowMs }, { service }) / 1_000);
  return [`two windows of ${windowMs / 1_000} s (${service} is watched for ${seen} s) are`];
}

function windowOf(rounds: ScrapeRounds, { service, arrivals, latency }: ServiceProfile, window: Window): LoadWindow {
  const cores = sum(rounds.values('process_cpu_limit_cores', { service }).map(({ value }) => value));
  const targets = new Set(rounds.history('build_info', window, { service }).map(({ target }) => target));
  const busiest = rounds.history('nodejs_eventloop_utilization', window, { service }).map(meanOf);
  const idlest = rounds.history('nodejs_eventloop_utilization_lowest', window, { service }).map(meanOf);
  const lags = rounds.history('nodejs_eventloop_lag_p99_seconds', window, { service }).map(({ points }) => mostlyBelow(valuesOf(points)));
  const memory = new Map(rounds.values('process_memory_limit_bytes', { service }).map(({ target, value }) => [target, value]));
  const fill = rounds
    .history('process_resident_memory_bytes', window, { service })
    .map((each) => meanOf(each) / (memory.get(each.target) ?? Number.POSITIVE_INFINITY));
  return {
    cpu: cores > 0 ? (rounds.rate('process_cpu_seconds_total', window, { service }) ?? 0) / cores : 0,
    throttled: (rounds.rate('process_cpu_throttled_seconds_total', window, { service }) ?? 0) / Math.max(1, targets.size),
    eventLoops: {
      sum: rounds.rate('nodejs_eventloop_active_seconds_total', window, { service }) ?? 0,
      max: Math.max(0, ...busiest),
      min: idlest.length === 0 ? 0 : Math.min(...idlest),
    },
    eventLoopLag: Math.max(0, ...lags),
    memory: Math.max(0, ...fill),
    arrivals: rounds.rate(arrivals.metric, window, { service, ...(arrivals.labels === undefined ? {} : { labels: arrivals.labels }) }) ?? 0,
    latencyP95: latency === undefined ? undefined : rounds.quantile(P95, latency.metric, window, { service }),
    poolWaitP95: rounds.quantile(P95, 'db_pool_wait_seconds', window, { service }) ?? 0,
    poolTimeouts: rounds.rate('db_pool_timeouts_total', window, { service }) ?? 0,
    connectionsInUse: sum(rounds.history('db_conn_usage', window, { service, labels: { state: 'active' } }).map(meanOf)),
  };
}

function dependenciesOf(rounds: ScrapeRounds, service: string, window: Window): DependencyView[] {
  const worst = new Map<string, number>();
  // Open within the window: the trial of a breaker is no end of it, and one that stays half-open, because nothing calls, is no fault.
  for (const { labels, value } of rounds.highest('circuit_breaker_state', window, { service })) {
    const name = labels['dependency'] ?? '';
    worst.set(name, Math.max(worst.get(name) ?? 0, value));
  }
  const asked = rounds
    .increases('dependency_call_duration_seconds_count', window, { service })
    .map(({ labels }) => labels['dependency'] ?? '');
  return [...new Set([...worst.keys(), ...asked])].map((name) => ({
    name,
    isBroken: worst.get(name) === 1,
    latencyP95: rounds.quantile(P95, 'dependency_call_duration_seconds', window, { service, labels: { dependency: name } }),
    cap: CAPS[name],
  }));
}

/** Memory and load as multiples of what they were when the rounds begin, and how uneven the load is. */
function growthOf(rounds: ScrapeRounds, { service, arrivals }: ServiceProfile, windowMs: number) {
  const newest = rounds.latest?.at ?? 0;
  const begun = Math.max(rounds.begunAt ?? newest, newest - LONGEST_MS);
  const then = rounds.sum('process_resident_memory_bytes', { service }, begun);
  const now = rounds.sum('process_resident_memory_bytes', { service }) ?? 0;
  const rates: number[] = [];
  for (let until = newest; until - windowMs >= begun; until -= windowMs) {
    rates.push(rounds.rate(arrivals.metric, { ms: windowMs, until }, { service }) ?? 0);
  }
  const mean = sum(rates) / Math.max(1, rates.length);
  const first = rates.at(-1) ?? 0;
  return {
    memoryGrowth: then === undefined || then === 0 ? 1 : now / then,
    loadGrowth: first === 0 ? 1 : (rates[0] ?? 0) / first,
    peakToMean: rates.length < WINDOWS_FOR_PEAKS || mean < SOME_LOAD ? 1 : Math.max(...rates) / mean,
  };
}

/** For how long, window by window backwards, neither CPU nor event loops had much to do. */
function quietFor(rounds: ScrapeRounds, { service }: ServiceProfile, windowMs: number): number {
  const newest = rounds.latest?.at ?? 0;
  const cores = sum(rounds.values('process_cpu_limit_cores', { service }).map(({ value }) => value));
  let seconds = 0;
  for (let until = newest; seconds * 1_000 < LONGEST_MS; until -= windowMs) {
    const window = { ms: windowMs, until };
    const cpu = rounds.rate('process_cpu_seconds_total', window, { service });
    const loops = rounds.history('nodejs_eventloop_utilization', window, { service }).map(meanOf);
    if (cpu === undefined || cpu / cores >= QUIET || Math.max(...loops) >= QUIET) break;
    seconds += windowMs / 1_000;
  }
  return seconds;
}

const valuesOf = (points: readonly { readonly value: number }[]): number[] => points.map(({ value }) => value).filter(Number.isFinite);
const mostlyBelow = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.ceil(values.length * MOSTLY) - 1] ?? 0;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const meanOf = ({ points }: SeriesHistory): number => sum(valuesOf(points)) / Math.max(1, valuesOf(points).length);
const greatest = (rounds: ScrapeRounds, name: string, service: string): number =>
  Math.max(0, ...rounds.values(name, { service }).map(({ value }) => value));
