import { randomBytes } from 'node:crypto';
import { percentile } from '#lib/testing/percentiles';
import { metricsOf } from '#lib/testing/metrics-of';
import type { RunningParley } from '#lib/testing/running-parley';
import type { ScriptedCollector } from '#lib/testing/scripted-collector';
import { runInContext } from '#lib/runtime/log/context';
import { childTraceparent } from '#lib/runtime/log/traceparent';
import { exportSpansTo, startSpan } from '#lib/runtime/trace/span';
import type { Sender } from './load.js';
import { offerMessages } from './steady-load.js';
import { parleySenders } from './targets.js';
import { chatText } from './text.js';

/** Ways to trace, of which one is measured in each turn. */
const MODES = ['off', '10 %', '100 %', '10 %, collector hangs'] as const;
type Mode = (typeof MODES)[number];

/** What sends cost in one way: medians of its rounds. */
export interface TraceFigure {
  readonly mode: Mode;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU of the gateway for one send. */
  readonly cpuMs: number;
  /** Resident memory of the gateway after the last round. */
  readonly memoryMiB: number;
  readonly failures: number;
}

/** What {@link measureTraces} found. */
export interface TraceFigures {
  readonly perSecond: number;
  readonly figures: readonly TraceFigure[];
  /** One span in one process, in nanoseconds. */
  readonly spanNs: Readonly<Record<'off' | 'unsampled' | 'exported', number>>;
}

type Row = Omit<TraceFigure, 'mode'>;

/**
 * Sends without traces and with them, by turns. `off` and `on` are two Parleys on the same servers, both with a steady load far below what they carry, so
 * that what a turn adds is the spans' doing; the collector runs in the process of the bench, on the same cores.
 */
export async function measureTraces(
  { off, on, collector }: { off: RunningParley; on: RunningParley; collector: ScriptedCollector },
  { rounds, seconds, perSecond, progress }: { rounds: number; seconds: number; perSecond: number; progress: (line: string) => void },
): Promise<TraceFigures> {
  const senders = { off: await parleySenders(off, 50), on: await parleySenders(on, 50) };
  const offer = (parley: RunningParley, by: readonly Sender[], forSeconds: number) =>
    offerMessages({ baseUrl: parley.url, senders: by, seconds: forSeconds, perSecond, content: chatText });
  // Both have compiled what they run before anything counts.
  for (const each of ['off', 'on'] as const) await offer(each === 'off' ? off : on, senders[each], 2 * seconds);
  const rows = new Map<Mode, Row[]>(MODES.map((mode) => [mode, []]));
  for (let round = 0; round < rounds; round += 1) {
    const order = [...MODES.slice(round % MODES.length), ...MODES.slice(0, round % MODES.length)];
    for (const mode of order) {
      collector.fault = mode === '10 %, collector hangs' ? () => undefined : undefined;
      const parley = mode === 'off' ? off : on;
      const by = mode === '100 %' ? senders.on.map(sampled) : senders[mode === 'off' ? 'off' : 'on'];
      const before = await processOf(parley);
      const result = await offer(parley, by, seconds);
      const after = await processOf(parley);
      const failures = Object.values(result.failures).reduce((sum, count) => sum + count, 0);
      const cpuMs = (1_000 * (after.cpuSeconds - before.cpuSeconds)) / Math.max(1, result.okCount);
      rows.get(mode)?.push({ p50Ms: result.p50Ms, p99Ms: result.p99Ms, cpuMs, memoryMiB: after.memoryMiB, failures });
      progress(`traces ${mode}: P50 ${result.p50Ms} ms, P99 ${result.p99Ms} ms, ${cpuMs.toFixed(2)} ms CPU per send`);
      collector.forget();
    }
  }
  return { perSecond, figures: [...rows].map(([mode, all]) => ({ mode, ...medians(all) })), spanNs: measureSpans() };
}

/** The report, which is shown and not kept. */
export const renderTraces = ({ figures, perSecond, spanNs }: TraceFigures): string => {
  const [off] = figures;
  const ratio = (figure: TraceFigure) => (off === undefined ? '-' : (figure.p99Ms / Math.max(0.01, off.p99Ms)).toFixed(2));
  return [
    '## Traces',
    '',
    `${perSecond} sends a second, by turns, medians.`,
    '',
    '| traces | P50 | P99 | P99 / off | CPU of the gateway per send | its memory |',
    '| --- | --- | --- | --- | --- | --- |',
    ...figures.map(
      (each) =>
        `| ${each.mode} | ${each.p50Ms} ms | ${each.p99Ms} ms | ${ratio(each)} | ${each.cpuMs.toFixed(2)} ms | ${each.memoryMiB} MiB |`,
    ),
    '',
    `One span: ${spanNs.off} ns while off, ${spanNs.unsampled} ns in a trace that is not sampled, ${spanNs.exported} ns until it is queued.`,
    ...(figures.some(({ failures }) => failures > 0) ? ['', 'Some sends failed: these figures do not count.'] : []),
    '',
  ].join('\n');
};

const sampled = (sender: Sender): Sender => ({
  ...sender,
  headers: { ...sender.headers, traceparent: `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01` },
});

async function processOf({ gateway }: RunningParley): Promise<{ cpuSeconds: number; memoryMiB: number }> {
  const values = await metricsOf(gateway.url);
  return {
    cpuSeconds: values.get('process_cpu_seconds_total') ?? 0,
    memoryMiB: Math.round((values.get('process_resident_memory_bytes') ?? 0) / 1_048_576),
  };
}

function medians(rows: readonly Row[]): Row {
  const median = (of: (row: Row) => number) => percentile(rows.map(of), 0.5) ?? 0;
  return {
    p50Ms: median(({ p50Ms }) => p50Ms),
    p99Ms: median(({ p99Ms }) => p99Ms),
    cpuMs: median(({ cpuMs }) => cpuMs),
    memoryMiB: rows.at(-1)?.memoryMiB ?? 0,
    failures: rows.reduce((sum, { failures }) => sum + failures, 0),
  };
}

const SPANS = 300_000;

/** In this process, without an exporter behind it: what a call site pays. */
function measureSpans(): TraceFigures['spanNs'] {
  const spansIn = (traceparent: string): number => {
    const run = () =>
      runInContext({ traceparent }, () => {
        for (let i = 0; i < SPANS; i += 1) startSpan('work', 'client')?.set('app.number', i).set('app.text', 'text').end();
      });
    run();
    const startedAt = performance.now();
    run();
    return Math.round(((performance.now() - startedAt) * 1e6) / SPANS);
  };
  const [trace, other] = [childTraceparent(undefined, true), childTraceparent(undefined, false)];
  const off = spansIn(trace);
  exportSpansTo(() => undefined);
  try {
    return { off, unsampled: spansIn(other), exported: spansIn(trace) };
  } finally {
    exportSpansTo(undefined);
  }
}
