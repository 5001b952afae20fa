import type { RunningParley } from '#lib/testing/running-parley';
import type { LoadResult, Sender } from './load.js';
import { offerMessages } from './steady-load.js';
import { askDatabase } from './targets.js';
import { chatText } from './text.js';

/** How many messages have no vectors yet. */
export const backlogOf = async (parley: RunningParley): Promise<number> => {
  const [row] = await askDatabase<{ backlog: string }>(
    parley.databaseUrl,
    'SELECT (SELECT count(*) FROM messages) - (SELECT count(*) FROM message_chunks) AS backlog',
  );
  return Number(row?.backlog ?? 0);
};

/** Waits until every message has its vectors. @throws after `timeoutMs`, with what is left. */
export const untilIndexed = async (parley: RunningParley, timeoutMs: number, onLook?: (backlog: number) => void): Promise<void> => {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    const backlog = await backlogOf(parley);
    onLook?.(backlog);
    if (backlog === 0) return;
    if (performance.now() > endsAt) throw new Error(`${backlog} messages have no vectors after ${timeoutMs / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
};

/** The whole pipeline under a steady offered load. */
export interface PipelineFigure {
  readonly offeredPerSecond: number;
  readonly ack: LoadResult;
  readonly searchableP50Ms: number;
  readonly searchableP95Ms: number;
  /** Backlog, sampled twice a second: [seconds since start, messages without vectors]. */
  readonly queue: readonly (readonly [number, number])[];
  readonly drainedAfterSeconds: number;
}

/** Not measured: what a process that has just started compiles. */
const WARM_UP_SECONDS = 5;

/** Offers `perSecond` messages for `seconds`, after a warm-up, and reads from Postgres when each got its vectors. */
export const runPipeline = async (
  parley: RunningParley,
  senders: readonly Sender[],
  perSecond: number,
  seconds: number,
): Promise<PipelineFigure> => {
  await offerMessages({ baseUrl: parley.url, senders, seconds: WARM_UP_SECONDS, perSecond, content: chatText });
  const [before] = await askDatabase<{ now: Date }>(parley.databaseUrl, 'SELECT now() AS now');
  const startedAt = performance.now();
  const queue: [number, number][] = [];
  const sampler = setInterval(() => {
    backlogOf(parley).then(
      (backlog) => queue.push([Math.round((performance.now() - startedAt) / 100) / 10, backlog]),
      () => undefined, // a sample that is missing shows as a gap in the chart
    );
  }, 500);
  try {
    const ack = await offerMessages({ baseUrl: parley.url, senders, seconds, perSecond, content: chatText });
    const endedAt = performance.now();
    await untilIndexed(parley, 120_000);
    const drainedAfterSeconds = Math.round((performance.now() - endedAt) / 100) / 10;
    const [row] = await askDatabase<{ p50: number; p95: number }>(
      parley.databaseUrl,
      `SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ms) AS p50, percentile_disc(0.95) WITHIN GROUP (ORDER BY ms) AS p95
       FROM (SELECT extract(epoch FROM c.updated_at - m.created_at)::float8 * 1000 AS ms
             FROM messages m JOIN message_chunks c ON c.message_id = m.id
             WHERE m.created_at >= '${before?.now.toISOString()}') waits`,
    );
    return {
      offeredPerSecond: perSecond,
      ack,
      searchableP50Ms: Math.round(row?.p50 ?? 0),
      searchableP95Ms: Math.round(row?.p95 ?? 0),
      queue,
      drainedAfterSeconds,
    };
  } finally {
    clearInterval(sampler);
  }
};
