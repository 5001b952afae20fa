import { percentile } from '#lib/testing/percentiles';
import { metricsOf } from '#lib/testing/metrics-of';
import type { RunningParley } from '#lib/testing/running-parley';
import type { ScriptedCollector } from '#lib/testing/scripted-collector';
import { offerMessages } from './steady-load.js';
import { parleySenders } from './targets.js';
import { chatText } from './text.js';

/** A Parley that traces every send, and where its spans go. */
export interface TracedParley {
  readonly parley: RunningParley;
  readonly collector: ScriptedCollector;
}

/** Who has a collector that hangs. `control`: neither, which shows how much the machine alone makes of it. */
const PHASES = ['control', 'first', 'second'] as const;
type Phase = (typeof PHASES)[number];

/** One window in which both were sent the same, at the same time. */
export interface PairedWindow {
  readonly phase: Phase;
  /** P99 in milliseconds of the first and of the second Parley. */
  readonly p99Ms: readonly [number, number];
}

/** A ratio and where it lies with a probability of 95 %. */
interface Estimate {
  readonly ratio: number;
  readonly from: number;
  readonly to: number;
}

/** What {@link measureHungCollector} found. */
export interface HungCollectorFigures {
  readonly windows: readonly PairedWindow[];
  readonly seconds: number;
  readonly perSecond: number;
  /** P99 with a collector that hangs as a multiple of that with one that answers. */
  readonly hung: Estimate;
  /** The same where both answer: what else differs. */
  readonly control: Estimate;
  /** Resident memory of the gateway whose collector hangs, once its queue is full and when the phase ends, MiB. */
  readonly memoryMiB: readonly { readonly phase: Phase; readonly from: number; readonly to: number }[];
  readonly spansDropped: number;
  readonly failures: number;
}

interface Size {
  /** Of each phase. */
  readonly windows: number;
  /** Of one window. */
  readonly seconds: number;
  /** Sends to each of the two. */
  readonly perSecond: number;
  readonly progress: (line: string) => void;
}

/**
 * Sends the same to two Parleys at the same time, of which one has a collector that hangs, in many short windows: what else the machine does
 * meets both. Half of the windows with the roles exchanged, because two Parleys are never alike.
 */
export async function measureHungCollector(
  both: readonly [TracedParley, TracedParley],
  { windows: count, seconds, perSecond, progress }: Size,
): Promise<HungCollectorFigures> {
  const senders = await Promise.all(both.map(({ parley }) => parleySenders(parley, 50)));
  let failures = 0;
  const offer = async (forSeconds: number): Promise<readonly [number, number]> => {
    const results = await Promise.all(
      both.map(({ parley }, i) =>
        offerMessages({ baseUrl: parley.url, senders: senders[i] ?? [], seconds: forSeconds, perSecond, content: chatText }),
      ),
    );
    for (const { collector } of both) collector.forget();
    failures += results.flatMap((each) => Object.values(each.failures)).reduce((sum, each) => sum + each, 0);
    return [results[0]?.p99Ms ?? Number.NaN, results[1]?.p99Ms ?? Number.NaN];
  };
  const windows: PairedWindow[] = [];
  const memoryMiB: { phase: Phase; from: number; to: number }[] = [];
  // Both have compiled what they run before anything counts.
  await offer(SETTLE_SECONDS);
  for (const phase of PHASES) {
    const hung = phase === 'control' ? undefined : both[phase === 'first' ? 0 : 1];
    for (const { collector } of both) collector.fault = collector === hung?.collector ? () => undefined : undefined;
    // Then the queue of the one is full, and the other has sent what it had kept.
    await offer(SETTLE_SECONDS);
    const from = hung === undefined ? 0 : await memoryOf(hung.parley);
    for (let i = 0; i < count; i += 1) {
      const p99Ms = await offer(seconds);
      windows.push({ phase, p99Ms });
      progress(`${phase} ${i + 1}/${count}: P99 ${p99Ms.join(' and ')} ms`);
    }
    if (hung !== undefined) memoryMiB.push({ phase, from, to: await memoryOf(hung.parley) });
  }
  const dropped = await Promise.all(both.map(({ parley }) => droppedBy(parley)));
  return {
    windows,
    seconds,
    perSecond,
    hung: hungRatio(windows),
    control: controlRatio(windows),
    memoryMiB,
    spansDropped: dropped.reduce((sum, each) => sum + each, 0),
    failures,
  };
}

/** Longer than a queue of 2,048 spans takes to fill at 60 sends of seven spans a second. */
const SETTLE_SECONDS = 12;

/** The median of the windows' ratios; with the roles exchanged, what makes one Parley slower than the other cancels out. */
export const hungRatio = (windows: readonly PairedWindow[]): Estimate => {
  const [first, second] = [logRatiosOf(windows, 'first'), logRatiosOf(windows, 'second').map((each) => -each)];
  return estimate([first, second], ([one = [], other = []]) => (medianOf(one) + medianOf(other)) / 2);
};

/** The same between two whose collectors answer. */
export const controlRatio = (windows: readonly PairedWindow[]): Estimate =>
  estimate([logRatiosOf(windows, 'control')], ([all = []]) => medianOf(all));

const logRatiosOf = (windows: readonly PairedWindow[], phase: Phase): number[] =>
  windows.filter((each) => each.phase === phase).map(({ p99Ms: [one, other] }) => Math.log(one / other));

const RESAMPLES = 4_000;

/** Bootstrap: the same from windows drawn again and again; what 95 % of those lie between. */
const estimate = (samples: readonly (readonly number[])[], of: (samples: readonly (readonly number[])[]) => number): Estimate => {
  const random = repeatable();
  const drawn = Array.from({ length: RESAMPLES }, () =>
    of(samples.map((each) => each.map(() => each[Math.floor(random() * each.length)] ?? 0))),
  );
  const at = (share: number) => Math.exp(percentile(drawn, share) ?? 0);
  return { ratio: Math.exp(of(samples)), from: at(0.025), to: at(0.975) };
};

/** Numbers from 0 to 1 that are the same in every run, so that the same windows give the same interval (mulberry32). */
const repeatable = (): (() => number) => {
  let state = 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

const medianOf = (values: readonly number[]): number => percentile(values, 0.5) ?? 0;

async function memoryOf({ gateway }: RunningParley): Promise<number> {
  return Math.round(((await metricsOf(gateway.url)).get('process_resident_memory_bytes') ?? 0) / 2 ** 20);
}

async function droppedBy({ gateway }: RunningParley): Promise<number> {
  const values = await metricsOf(gateway.url);
  return [...values].filter(([name]) => name.startsWith('trace_spans_dropped_total')).reduce((sum, [, value]) => sum + value, 0);
}

/** The report, which is shown and not kept. */
export const renderHungCollector = (figures: HungCollectorFigures): string => {
  const { windows, seconds, perSecond, hung, control, memoryMiB, spansDropped, failures } = figures;
  const count = windows.length / PHASES.length;
  const shown = ({ ratio, from, to }: Estimate) => `${ratio.toFixed(3)} | ${from.toFixed(3)} to ${to.toFixed(3)}`;
  const p99 = (phase: Phase, index: 0 | 1) =>
    medianOf(windows.filter((each) => each.phase === phase).map(({ p99Ms }) => p99Ms[index])).toFixed(1);
  return [
    '## A collector that hangs',
    '',
    `Two Parleys, ${perSecond} sends a second to each at the same time, all traced; ${count} windows of ${seconds} s for each row.`,
    '',
    '| the collector of … hangs | P99 of the first, median | of the second |',
    '| --- | --- | --- |',
    ...PHASES.map((phase) => `| ${phase === 'control' ? 'neither' : `the ${phase}`} | ${p99(phase, 0)} ms | ${p99(phase, 1)} ms |`),
    '',
    '| P99 of one as a multiple of the other | median of the windows | 95 % interval |',
    '| --- | --- | --- |',
    `| one hangs / one answers | ${shown(hung)} |`,
    `| both answer (control) | ${shown(control)} |`,
    '',
    ...memoryMiB.map(({ phase, from, to }) => `Memory of the ${phase} gateway while its collector hung: ${from} MiB, then ${to} MiB.`),
    `${spansDropped} spans were dropped and counted.`,
    ...(failures > 0 ? ['', `${failures} sends failed: these figures do not count.`] : []),
    '',
  ].join('\n');
};
