import { describe, expect, it } from 'vitest';
import { ScalingReport } from '#lib/contracts/scaling';
import { parseMetrics } from '../scrape/parse-metrics.js';
import { ScrapeRounds } from '../scrape/scrape-rounds.js';
import { MemoryConnectionLimits } from './adapters/memory-connection-limits.js';
import { AdviseScaling } from './advise-scaling.js';

const START = 1_800_000_000_000;
const settings = { METRICS_TARGETS: ['http://gateway-1/metrics'], ML_EMBED_WORKERS: 2, NIGHTLY_WINDOW_HOURS: 5, ADVICE_WINDOW_MS: 60_000 };

/** What one process shows: counters grow by so much per second, gauges stand still. */
interface Process {
  readonly service: string;
  readonly counters?: Readonly<Record<string, number>>;
  readonly gauges?: Readonly<Record<string, number>>;
}
const usual = {
  'process_cpu_limit_cores{source="limit"}': 2,
  'process_memory_limit_bytes{source="limit"}': 4e9,
  process_resident_memory_bytes: 4e8,
  nodejs_eventloop_lag_p99_seconds: 0.012,
  nodejs_eventloop_utilization: 0.2,
  nodejs_eventloop_utilization_lowest: 0.2,
  db_pool_size: 10,
  process_start_duration_seconds: 2,
};
const textOf = ({ service, counters = {}, gauges = {} }: Process, seconds: number) => {
  const growing = { process_cpu_seconds_total: 0.4, nodejs_eventloop_active_seconds_total: 0.2, ...counters };
  const lines = [
    ...Object.entries({ ...usual, ...gauges }).map(([name, value]) => `${name} ${value}`),
    ...Object.entries(growing).map(([name, perSecond]) => `${name} ${perSecond * seconds}`),
  ];
  return [`build_info{service="${service}",version="1"} 1`, ...lines].join('\n');
};

/** Rounds every five seconds of these processes. */
function watched(processes: Readonly<Record<string, Process>>, forSeconds = 180): ScrapeRounds {
  const rounds = new ScrapeRounds();
  for (let seconds = 0; seconds <= forSeconds; seconds += 5) addRound(rounds, processes, seconds);
  return rounds;
}
function addRound(
  rounds: ScrapeRounds,
  processes: Readonly<Record<string, Process>>,
  seconds: number,
  failed: { target: string; code: string }[] = [],
): void {
  rounds.add({
    at: START + seconds * 1_000,
    processes: Object.entries(processes).map(([target, process]) => ({
      target,
      service: process.service,
      samples: parseMetrics(textOf(process, seconds)).samples,
    })),
    failed,
  });
}
async function adviceOf(
  rounds: ScrapeRounds,
  {
    maxConnections = 400,
    afterMs = 0,
    targets = settings.METRICS_TARGETS,
  }: { maxConnections?: number | null; afterMs?: number; targets?: string[] } = {},
) {
  const scaling = new AdviseScaling(rounds, new MemoryConnectionLimits(maxConnections ?? undefined), {
    ...settings,
    METRICS_TARGETS: targets,
  });
  await scaling.execute();
  const report = scaling.report((rounds.latest?.at ?? START) + afterMs);
  expect(ScalingReport.safeParse(JSON.parse(JSON.stringify(report))).error).toBeUndefined();
  return { report, of: (service: string) => report.items.find((each) => each.service === service) };
}
const well = { g1: { service: 'gateway' }, g2: { service: 'gateway' }, ops: { service: 'ops' } };

describe('Advice from rounds of metrics', () => {
  it('finds nothing to do where nothing is', async () => {
    const { of } = await adviceOf(watched(well));
    expect(of('gateway')).toMatchObject({ action: 'none', rule: 11, now: { pods: 2, workers: 1, poolSize: 10 } });
    expect(of('gateway')?.numbers).toMatchObject({ cpu: 0.2, eventLoop: 0.2 });
  });

  it('reads CPU, event loops, workers and connections', async () => {
    const busy: Process = {
      service: 'gateway',
      counters: { nodejs_eventloop_active_seconds_total: 1.8, process_cpu_seconds_total: 0.9 },
      gauges: {
        nodejs_eventloop_utilization: 0.9,
        nodejs_eventloop_utilization_lowest: 0.85,
        'worker_processes{state="running"}': 2,
        'process_cpu_limit_cores{source="limit"}': 4,
      },
    };
    const { of } = await adviceOf(watched({ ...well, g1: busy, g2: busy }));
    expect(of('gateway')).toMatchObject({ action: 'workers', rule: 6, now: { pods: 2, workers: 2 }, to: { workers: 4 } });
    expect(of('gateway')?.numbers['eventLoops']).toBeCloseTo(3.6, 2);
    // 2 pods x 4 workers x 10, and 10 of ops.
    expect(of('gateway')?.connections).toEqual({ now: 50, after: 90, budget: 312 });
  });

  it('counts a pod more for a rollout where names are looked up', async () => {
    const { of } = await adviceOf(watched(well), { targets: ['dns+http://parley-gateway-metrics:9090/metrics'] });
    expect(of('gateway')?.connections?.now).toBe(3 * 10 + 2 * 10);
  });

  it('reads the depth of a queue from ops and what was handled from its consumers', async () => {
    const embedding: Process = {
      service: 'embedding',
      counters: {
        'event_attempts_total{queue="embedding.messages",outcome="done"}': 12,
        'event_handle_duration_seconds_sum{queue="embedding.messages",outcome="done"}': 6,
      },
    };
    const ops: Process = { service: 'ops', gauges: { 'queue_length{queue="embedding.messages"}': 1_200 } };
    // Two processes of ops see the same queue.
    const { of } = await adviceOf(watched({ ...well, ops, ops2: ops, e1: embedding, e2: embedding, e3: embedding }));
    expect(of('embedding')).toMatchObject({ action: 'prefetch', rule: 7, now: { concurrency: 2 }, numbers: { ready: 1_200 } });
    expect(of('embedding')?.numbers['handled']).toBeCloseTo(36, 0);
  });

  it('sees an open breaker', async () => {
    const broken: Process = { service: 'gateway', gauges: { 'circuit_breaker_state{dependency="chroma"}': 1 } };
    const { of } = await adviceOf(watched({ ...well, g1: broken }));
    expect(of('gateway')).toMatchObject({ action: 'none', rule: 1 });
    expect(of('gateway')?.reason).toContain('chroma');
  });

  it('counts a breaker as open between two trials, and not for ever because nothing calls', async () => {
    const breaker = (state: number): Process => ({ service: 'gateway', gauges: { 'circuit_breaker_state{dependency="chroma"}': state } });
    const rounds = watched({ ...well, g1: breaker(1) });
    for (let seconds = 185; seconds <= 235; seconds += 5) addRound(rounds, { ...well, g1: breaker(0.5) }, seconds);
    expect((await adviceOf(rounds)).of('gateway')).toMatchObject({ action: 'none', rule: 1 });
    for (let seconds = 240; seconds <= 250; seconds += 5) addRound(rounds, { ...well, g1: breaker(0.5) }, seconds);
    expect((await adviceOf(rounds)).of('gateway')).toMatchObject({ action: 'none', rule: 11 });
  });

  it('refuses before it has seen two minutes, and says for how long it watches', async () => {
    const { of } = await adviceOf(watched(well, 60));
    expect(of('gateway')?.reason).toBe('No advice: two windows of 60 s (gateway is watched for 60 s) are not known.');
  });

  it('refuses on stale metrics', async () => {
    const { of } = await adviceOf(watched(well), { afterMs: 45_000 });
    expect(of('gateway')?.reason).toContain('metrics newer than 45 s are not known');
  });

  it('refuses when Postgres does not say how many connections it takes', async () => {
    const { of } = await adviceOf(watched(well), { maxConnections: null });
    expect(of('gateway')?.reason).toContain('max_connections of Postgres is not known');
  });

  it('refuses on a service that it does not see, and names metrics that a version does not have', async () => {
    const rounds = new ScrapeRounds();
    for (let seconds = 0; seconds <= 180; seconds += 5) {
      const samples = parseMetrics('build_info{service="scoring",version="0"} 1').samples;
      rounds.add({ at: START + seconds * 1_000, processes: [{ target: 's', service: 'scoring', samples }], failed: [] });
    }
    const { of } = await adviceOf(rounds);
    expect(of('gateway')?.reason).toBe('No advice: the metrics of any gateway process are not known.');
    expect(of('scoring')?.reason).toContain('process_cpu_seconds_total');
    expect(of('scoring')?.reason).toContain('of scoring are not known');
  });

  it('names a process that has stopped, and is less sure of its service', async () => {
    const rounds = watched(well);
    const { g1, ops } = well;
    addRound(rounds, { g1, ops }, 185, [{ target: 'g2', code: 'ECONNREFUSED' }]);
    const { of, report } = await adviceOf(rounds);
    expect(report.missing).toEqual([{ target: 'g2', service: 'gateway', code: 'ECONNREFUSED' }]);
    expect(of('gateway')?.checks[0]).toContain('g2 (ECONNREFUSED)');
    expect(of('gateway')?.confidence).toBe('low');
  });

  it('names a hundred of those that do not answer: a report of any number of them is one', async () => {
    const rounds = watched(well);
    const failed = Array.from({ length: 500 }, (_, index) => ({ target: `http://10.0.${index}/metrics`, code: 'ECONNREFUSED' }));
    addRound(rounds, well, 185, failed);
    expect((await adviceOf(rounds)).report.missing).toHaveLength(100);
  });

  it('waits after a pod has come', async () => {
    const rounds = watched(well);
    const more = { ...well, g3: { service: 'gateway' } };
    for (let seconds = 185; seconds <= 220; seconds += 5) addRound(rounds, more, seconds);
    const { of } = await adviceOf(rounds);
    expect(of('gateway')).toMatchObject({ action: 'none', rule: 0 });
  });

  it('takes pods away after ten quiet minutes', async () => {
    const night = Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [name, { service: 'gateway' }]));
    const { of } = await adviceOf(watched({ ...night, ops: { service: 'ops' } }, 660));
    expect(of('gateway')).toMatchObject({ action: 'pods', rule: 10, to: { pods: 3 } });
  });

  it('says that it sees only itself without targets', async () => {
    expect((await adviceOf(watched(well), { targets: [] })).report.seesOnlyItself).toBe(true);
  });
});
