import { Injectable } from '@nestjs/common';
import type { MeasuredProcess, MeasuredQueue, Measurements } from '#lib/contracts/measurements';
import { type QueueRow, queues } from '#lib/contracts/pipeline';
import { answerSiblings } from '#lib/runtime/workers/sibling-workers';
import { ScrapeRounds } from '../scrape/scrape-rounds.js';
import { LatencyPoints } from './latency-points.js';
import { type TargetState, TargetStates } from './target-states.js';

const WINDOW = { ms: 60_000 };
/** Outcomes that leave the message where it was. */
const NOT_HANDLED = new Set(['hold', 'sent-round']);
const MOST_PROCESSES = 200;
/** The process that is all services (embedded mode). */
const ALL_IN_ONE = 'standalone';

/** The samples that processes and queues are described with. */
export const processMetrics: readonly string[] = [
  'process_start_time_seconds',
  'nodejs_eventloop_lag_p99_seconds',
  'worker_processes',
  'process_resident_memory_bytes',
  'process_memory_limit_bytes',
  'process_cpu_seconds_total',
  'amqp_publish_duration_seconds_count',
  'event_attempts_total',
];

/** Derives from each round of metrics what operators watch, and gives it to processes that ask over the control channel (ADR 21). */
@Injectable()
export class MeasureProcesses {
  private readonly latencies: LatencyPoints;
  private readonly targets = new TargetStates();

  constructor(private readonly rounds: ScrapeRounds) {
    this.latencies = new LatencyPoints(rounds);
    answerSiblings('measurements', () => this.report());
  }

  /** Call it after each round. */
  execute(): void {
    const { latest } = this.rounds;
    if (latest === undefined) return;
    this.targets.note(latest);
    this.latencies.note();
  }

  /** What is known now; null before the first round. */
  private report(): Measurements | null {
    const { latest } = this.rounds;
    if (latest === undefined) return null;
    return {
      at: timeOf(latest.at),
      processes: this.targets
        .all()
        .slice(0, MOST_PROCESSES)
        .map((target) => this.processOf(target)),
      queues: Object.entries<QueueRow>(queues).map(([name, row]) => this.queueOf(name, row)),
      latencies: this.latencies.columns(),
    };
  }

  private processOf({ target, service, ready, since }: TargetState & { readonly target: string }): MeasuredProcess {
    const only = { target };
    const sum = (name: string, labels = {}) => (ready ? (this.rounds.sum(name, { ...only, labels }) ?? null) : null);
    const startedAt = sum('process_start_time_seconds');
    const lag = sum('nodejs_eventloop_lag_p99_seconds');
    return {
      service,
      target,
      ready,
      since: timeOf(since),
      startedAt: startedAt === null ? null : timeOf(startedAt * 1_000),
      workers: sum('worker_processes', { state: 'running' }),
      memoryBytes: sum('process_resident_memory_bytes'),
      memoryLimitBytes: sum('process_memory_limit_bytes'),
      cpuCores: ready ? rounded(this.rounds.rate('process_cpu_seconds_total', WINDOW, only)) : null,
      loopLagMs: lag === null ? null : rounded(lag * 1_000),
    };
  }

  /** 0 is said only where all who could have counted something were heard: a counter is shown once it has counted. */
  private queueOf(name: string, row: QueueRow): MeasuredQueue {
    const keys = new Set<string>(row.kind === 'events' ? row.hears : [name]);
    const isPublished = ({ routing_key: key = '', outcome }: Labels) => keys.has(key) && outcome === 'confirmed';
    const isHandled = ({ queue, outcome = '' }: Labels) => queue === name && !NOT_HANDLED.has(outcome);
    return {
      name,
      publishedPerSecond: row.kind === 'events' ? this.perSecond('amqp_publish_duration_seconds_count', isPublished, row.producers) : null,
      handledPerSecond: row.kind === 'events' ? this.perSecond('event_attempts_total', isHandled, [row.app]) : null,
    };
  }

  private perSecond(metric: string, counts: (labels: Labels) => boolean, services: readonly string[]): number | null {
    const observedMs = (service: string) => this.rounds.observedMs(WINDOW, { service });
    const seconds = services.map((service) => Math.max(observedMs(service), observedMs(ALL_IN_ONE)) / 1_000);
    if (seconds.some((observed) => observed <= 0)) return null;
    const increases = this.rounds.increases(metric, WINDOW).filter(({ labels }) => counts(labels));
    return rounded(increases.reduce((sum, { value }) => sum + value, 0) / Math.max(...seconds));
  }
}

type Labels = Readonly<Record<string, string>>;

const timeOf = (at: number): string => new Date(at).toISOString();

function rounded(value: number): number;
function rounded(value: number | undefined): number | null;
function rounded(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : Math.round(value * 1_000) / 1_000;
}
