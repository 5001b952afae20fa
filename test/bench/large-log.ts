import { setTimeout as sleep } from 'node:timers/promises';
import { metricsOf } from '#lib/testing/metrics-of';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import type { StackUrls } from '#lib/testing/vitest-stack';
import type { LoadResult } from './load.js';
import { offerMessages } from './steady-load.js';
import { parleySenders } from './targets.js';
import { chatText } from './text.js';

/** What senders and the gateway's event loop meet, without and with logs of 10 MB. */
interface LogFigure {
  readonly ack: LoadResult;
  /** Of the gateway, in milliseconds. */
  readonly lagP99Ms: number;
  readonly lagMaxMs: number;
  /** How long each log took to be accepted, in milliseconds; none when no log was sent. */
  readonly logsMs: readonly number[];
}

/** The same senders without logs and with them. */
export interface LargeLogFigures {
  readonly commit: string;
  readonly without: LogFigure;
  readonly with: LogFigure;
}

/** Of the event loop's delay at P99. */
const LAG_GOAL_MS = 50;
const SENDERS = 100;
/** One message a second of each, as people who are active write. */
const PER_SECOND = 100;
const WARM_UP_SECONDS = 5;
const LOG_BYTES = 10_000_000;
const PAUSE_MS = 1_000;

/** Sends logs of 10 MB, one after another, while 100 senders are active; and measures the same senders alone before. */
export const measureLargeLogs = async (
  urls: StackUrls,
  { seconds, env }: { readonly seconds: number; readonly env: Readonly<Record<string, string>> },
): Promise<Omit<LargeLogFigures, 'commit'>> => {
  const parley = await startParley({ stack: urls, env });
  try {
    const senders = await parleySenders(parley, SENDERS);
    const offer = (duration: number) =>
      offerMessages({ baseUrl: parley.url, senders, seconds: duration, perSecond: PER_SECOND, content: chatText });
    await offer(WARM_UP_SECONDS);
    await endWithLog(parley, 'robot-warm-up');
    const without = await watched(parley, () => offer(seconds));
    const logsMs: number[] = [];
    const withLogs = await watched(parley, async () => {
      const ack = offer(seconds);
      const endsAt = performance.now() + seconds * 1_000 - PAUSE_MS;
      while (performance.now() < endsAt) {
        logsMs.push(await endWithLog(parley, `robot-${logsMs.length}`));
        await sleep(PAUSE_MS);
      }
      return ack;
    });
    return { without: { ...without, logsMs: [] }, with: { ...withLogs, logsMs } };
  } finally {
    await parley.stop();
  }
};

/** Each look at the metrics begins a new window of the loop's delay. */
const watched = async (parley: RunningParley, work: () => Promise<LoadResult>): Promise<Omit<LogFigure, 'logsMs'>> => {
  await metricsOf(parley.url);
  const ack = await work();
  const metrics = await metricsOf(parley.url);
  const ms = (name: string) => Math.round((metrics.get(name) ?? Number.NaN) * 10_000) / 10;
  return { ack, lagP99Ms: ms('nodejs_eventloop_lag_p99_seconds'), lagMaxMs: ms('nodejs_eventloop_lag_max_seconds') };
};

const endWithLog = async (parley: RunningParley, conversationId: string): Promise<number> => {
  const client = await parley.client('bench-log');
  const body = bodyOf(conversationId);
  const startedAt = performance.now();
  const { status } = await client.requestRaw('POST', '/v1/conversations/end', body, { 'content-type': 'application/json' });
  if (status !== 202) throw new Error(`a log of 10 MB was answered ${status}`);
  return Math.round(performance.now() - startedAt);
};

const bodyOf = (conversationId: string): Buffer => {
  const conversationLog: { role: 'user' | 'bot'; content: string }[] = [];
  for (let length = 0; length < LOG_BYTES; ) {
    const content = `${chatText()} ${chatText()} ${chatText()}`;
    conversationLog.push({ role: conversationLog.length % 2 === 0 ? 'user' : 'bot', content });
    length += Buffer.byteLength(content) + 40;
  }
  const facts = { userId: 'bench-log', startTime: '2026-01-31T09:00:00Z', endTime: '2026-01-31T09:30:00Z' };
  return Buffer.from(JSON.stringify({ ...facts, conversationId, conversationLog }));
};

/** Rows of the report's first table. */
export const largeLogTargets = ({
  with: { lagP99Ms },
}: LargeLogFigures): [figure: string, target: string, measured: string, isReached: boolean][] => [
  [`Event loop P99 beside logs of 10 MB, ${SENDERS} senders active`, `< ${LAG_GOAL_MS} ms`, `${lagP99Ms} ms`, lagP99Ms < LAG_GOAL_MS],
];

/** The section of the report; empty without figures. */
export const renderLargeLogs = (figures: LargeLogFigures | undefined): string => {
  if (figures === undefined) return '';
  const row = (name: string, { ack, lagP99Ms, lagMaxMs, logsMs }: LogFigure) => {
    const logs = logsMs.length === 0 ? '-' : `${logsMs.length}, within ${Math.max(...logsMs)} ms each`;
    const failures = Object.keys(ack.failures).length === 0 ? '0' : JSON.stringify(ack.failures);
    return `| ${name} | ${ack.p50Ms} | ${ack.p95Ms} | ${ack.p99Ms} | ${lagP99Ms} | ${lagMaxMs} | ${logs} | ${failures} |`;
  };
  return `
## Logs of 10 MB

${SENDERS} senders, ${PER_SECOND} messages/s in all; beside them one client ends conversations with logs of 10 MB, one after another, a second apart. Commit ${figures.commit}.

| | ACK P50 ms | ACK P95 ms | ACK P99 ms | event loop P99 ms | event loop max ms | logs accepted | not 2xx |
| --- | --- | --- | --- | --- | --- | --- | --- |
${row('without logs', figures.without)}
${row('with logs', figures.with)}
`;
};
