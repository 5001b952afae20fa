import { type PipelineRow, pipeline } from '#lib/contracts/pipeline';
import type { ScrapeRounds, Window } from '../scrape/scrape-rounds.js';
import type { QueueView } from './snapshot.js';

/** In which a backlog must be gone, in seconds. */
const DRAIN_SECONDS = 300;
/** Outcomes that leave the message where it was. */
const NOT_HANDLED = new Set(['hold', 'sent-round']);
/** The most batches that one process can be told to handle at once; other queues have theirs in the code (libs/contracts pipeline.ts). */
const CONCURRENCY_LIMITS: Readonly<Record<string, number>> = { 'embedding.messages': 4 };
/** Queues whose messages wait for the language model. */
const ASKS_MODEL = new Set(['scoring.conversations', 'scoring.rescores']);
/** Of one end that is scored (docs/operate/nightly.md), while none was seen. */
const CALLS_PER_END = 2;
const NIGHTLY_QUEUE = 'scoring.rescores';
const DEPTH_WINDOW_MS = 60_000;

/** The samples that the view of a queue is made of. */
export const queueMetrics: readonly string[] = [
  'build_info',
  'queue_length',
  'event_attempts_total',
  'event_handle_duration_seconds_sum',
  'llm_requests_per_minute',
  'dependency_call_duration_seconds_count',
  'dependency_call_duration_seconds_sum',
];

/** The settings that a queue's numbers depend on. */
export interface QueueSettings {
  readonly ML_EMBED_WORKERS: number;
  readonly NIGHTLY_WINDOW_HOURS: number;
}

/** The queue of a service in which most messages wait; undefined when it consumes none, or no depth is known. */
export function collectQueue(rounds: ScrapeRounds, service: string, window: Window, settings: QueueSettings): QueueView | undefined {
  const rows = Object.entries<PipelineRow>(pipeline).filter(([, { app }]) => app === service);
  const views = rows.flatMap(([name, row]) => viewOf(rounds, name, row, window, settings) ?? []);
  return views.toSorted((a, b) => b.ready - a.ready)[0];
}

function viewOf(rounds: ScrapeRounds, name: string, row: PipelineRow, window: Window, settings: QueueSettings): QueueView | undefined {
  const labels = { queue: name };
  // Every process of ops says it: of several the highest.
  const depths = rounds.values('queue_length', { labels }).map(({ value }) => value);
  if (depths.length === 0) return undefined;
  const ready = Math.max(...depths);
  const outcomes = rounds.increases('event_attempts_total', window, { labels });
  const seconds = rounds.observedMs(window, {}) / 1_000;
  const handledCount = outcomes.reduce((sum, { labels: { outcome = '' }, value }) => sum + (NOT_HANDLED.has(outcome) ? 0 : value), 0);
  const handled = seconds > 0 ? handledCount / seconds : 0;
  const [depth] = rounds.history('queue_length', window, { labels });
  const growth = seconds > 0 && depth !== undefined ? (ready - (depth.points[0]?.value ?? ready)) / seconds : 0;
  const busySeconds = rounds.increase('event_handle_duration_seconds_sum', window, { labels }) ?? 0;
  const concurrency = name === 'embedding.messages' ? settings.ML_EMBED_WORKERS : row.concurrency;
  const limit = ASKS_MODEL.has(name) ? modelLimit(rounds, window, handledCount) : undefined;
  return {
    name,
    ready,
    capacity: row.maxLength,
    arrivals: Math.max(0, handled + growth),
    handled,
    // Of what was not handled yet only the longest time is known.
    serviceSeconds: handledCount > 0 && busySeconds > 0 ? busySeconds / handledCount : row.deadlineMs / 1_000 / row.batch.size,
    concurrency,
    concurrencyLimit: CONCURRENCY_LIMITS[name] ?? concurrency,
    drainSeconds: name === NIGHTLY_QUEUE ? settings.NIGHTLY_WINDOW_HOURS * 3_600 : DRAIN_SECONDS,
    knownForSeconds: knownFor(rounds, name),
    ...(limit === undefined ? {} : { limit }),
  };
}

/** What the quota of the model allows; undefined with the local one, which has none. */
function modelLimit(rounds: ScrapeRounds, window: Window, handledCount: number): QueueView['limit'] {
  const perMinute = Math.max(0, ...rounds.values('llm_requests_per_minute').map(({ value }) => value));
  if (perMinute === 0) return undefined;
  const labels = { dependency: 'llm' };
  const calls = rounds.increase('dependency_call_duration_seconds_count', window, { labels }) ?? 0;
  const seconds = rounds.increase('dependency_call_duration_seconds_sum', window, { labels }) ?? 0;
  return {
    name: 'llm',
    perMinute,
    callsPerMessage: handledCount > 0 && calls > 0 ? calls / handledCount : CALLS_PER_END,
    callSeconds: calls > 0 ? seconds / calls : 1,
  };
}

/** Seconds for which each round of ops had the depth. */
function knownFor(rounds: ScrapeRounds, queue: string): number {
  const window = { ms: DEPTH_WINDOW_MS };
  const known = new Set(rounds.history('queue_length', window, { labels: { queue } }).flatMap(({ points }) => points.map(({ at }) => at)));
  const times = rounds
    .history('build_info', window, { service: 'ops' })
    .flatMap(({ points }) => points.map(({ at }) => at))
    .toSorted((a, b) => b - a);
  const unknown = times.find((at) => !known.has(at));
  const newest = times[0] ?? 0;
  // Unknown before the window is unknown for this purpose too, but a minute is more than is asked for.
  return (newest - (unknown ?? times.at(-1) ?? newest)) / 1_000;
}
