import { cpus, totalmem } from 'node:os';
import type { AckFigure } from './ack.js';
import type { AckAtSizeFigure } from './ack-at-size.js';
import { lineChart } from './chart.js';
import type { CostFigure } from './cost.js';
import { costTargets, renderCosts } from './cost-report.js';
import { liveCharts, liveTargets, renderLive } from './live/live-report.js';
import type { LiveFigures } from './live/live.js';
import { type LargeLogFigures, largeLogTargets, renderLargeLogs } from './large-log.js';
import type { LoadResult } from './load.js';
import { type NightlyFigures, nightlyTargets, renderNightly } from './nightly.js';
import type { PipelineFigure } from './pipeline.js';
import type { SearchFigure } from './search.js';
import { renderSuggestions, type SuggestFigure, suggestTargets } from './suggest.js';
import type { VectorFigure } from './vectors.js';

/** Everything that one run of `npm run bench` measured. */
export interface BenchResults {
  readonly startedAt: string;
  readonly command: string;
  readonly machine: string;
  readonly commit: string;
  readonly acks: readonly AckFigure[];
  /** What is still acknowledged when three times as much is offered as it can take. */
  readonly overload?: { readonly offeredPerSecond: number; readonly peakPerSecond: number; readonly result: LoadResult };
  readonly pipeline?: PipelineFigure;
  readonly vectors?: VectorFigure;
  readonly searches: readonly SearchFigure[];
  readonly suggestions?: readonly SuggestFigure[];
  /** What the nightly run costs those who are awake; `--only nightly` measures this part anew. */
  readonly nightly?: NightlyFigures;
  /** Sends over a database that is full already. */
  readonly acksAtSize: readonly AckAtSizeFigure[];
  /** Cost of a stored message as their number grows: [messages so far, ACKs per second at 100 connections]. */
  readonly growth: readonly (readonly [number, number])[];
  readonly gatewayMemoryMiB: number;
  /** What a message costs each process. */
  readonly costs: readonly CostFigure[];
  /** Time to delivered; `--only live` measures this part anew. */
  readonly live?: LiveFigures;
  /** Logs of 10 MB; `--only large-log` measures this part anew. */
  readonly largeLogs?: LargeLogFigures;
}

/** One line that says what the figures were measured on. */
export const machineLine = (): string =>
  `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'cpu'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, load generator and all services on it`;

const figureOf = (results: BenchResults, target: AckFigure['target'], connections: number): AckFigure | undefined =>
  results.acks.find((figure) => figure.target === target && figure.connections === connections);

const ratio = (one: number | undefined, other: number | undefined): string =>
  one === undefined || !other ? '-' : (one / other).toFixed(2);

const verdict = (isReached: boolean): string => (isReached ? 'reached' : '**missed**');

const targetsOf = (results: BenchResults): string[] => {
  const parley = figureOf(results, 'parley', 100);
  const floor = figureOf(results, 'floor', 100);
  const stock = figureOf(results, 'stock peer', 100);
  const rows: string[] = [];
  if (parley !== undefined && floor !== undefined && stock !== undefined) {
    const toFloor = parley.perSecond / floor.perSecond;
    const toStock = parley.perSecond / stock.perSecond;
    rows.push(`| ACK throughput / floor, 100 connections | >= 0.8 | ${toFloor.toFixed(2)} | ${verdict(toFloor >= 0.8)} |`);
    rows.push(`| ACK throughput / stock peer, 100 connections | >= 4 | ${toStock.toFixed(2)} | ${verdict(toStock >= 4)} |`);
    rows.push(`| ACK P95, 100 connections | < 50 ms | ${parley.p95Ms} ms | ${verdict(parley.p95Ms < 50)} |`);
  }
  const { pipeline, vectors, overload } = results;
  if (overload !== undefined) {
    const share = overload.result.perSecond / overload.peakPerSecond;
    rows.push(`| Goodput at three times capacity / peak | >= 0.9 | ${share.toFixed(2)} | ${verdict(share >= 0.9)} |`);
  }
  if (pipeline !== undefined) {
    rows.push(
      `| ACK P95 at ${pipeline.offeredPerSecond}/s, whole pipeline | < 50 ms | ${pipeline.ack.p95Ms} ms | ${verdict(pipeline.ack.p95Ms < 50)} |`,
    );
    rows.push(
      `| Time to searchable P95 at ${pipeline.offeredPerSecond}/s | < 2 s | ${pipeline.searchableP95Ms} ms | ${verdict(pipeline.searchableP95Ms < 2_000)} |`,
    );
  }
  if (vectors !== undefined) {
    const share = vectors.parleyPerSecond / vectors.chromaPerSecond;
    rows.push(`| Vectors written / Chroma's own batch rate | >= 0.8 | ${share.toFixed(2)} | ${verdict(share >= 0.8)} |`);
  }
  for (const search of results.searches) {
    const limit = search.messages > 50_000 ? 150 : 100;
    rows.push(
      `| Hybrid search P95 at ${search.messages} messages | < ${limit} ms | ${search.p95Ms} ms | ${verdict(search.p95Ms < limit)} |`,
    );
  }
  for (const { texts, messages, p99Ms, p999Ms } of results.acksAtSize) {
    const share = p999Ms / p99Ms;
    rows.push(`| ACK P99.9 / P99 at ${messages} messages, ${texts} | <= 3 | ${share.toFixed(2)} | ${verdict(share <= 3)} |`);
  }
  const others = [
    ...suggestTargets(results.suggestions ?? []),
    ...nightlyTargets(results.nightly),
    ...costTargets(results.costs),
    ...(results.live === undefined ? [] : liveTargets(results.live)),
    ...(results.largeLogs === undefined ? [] : largeLogTargets(results.largeLogs)),
  ];
  for (const [figure, target, measured, isReached] of others) {
    rows.push(`| ${figure} | ${target} | ${measured} | ${verdict(isReached)} |`);
  }
  rows.push(
    `| Gateway resident memory under load | < 250 MiB | ${results.gatewayMemoryMiB} MiB | ${verdict(results.gatewayMemoryMiB < 250)} |`,
  );
  return rows;
};

/** `test/bench/results/latest.md`: the figures beside their targets, then the tables behind them. */
export const renderReport = (results: BenchResults): string => {
  const connections = [...new Set(results.acks.map((figure) => figure.connections))];
  const { pipeline, vectors, overload } = results;
  return `# Benchmark

\`${results.command}\`, ${results.startedAt}, commit ${results.commit}.
${results.machine}.

Parley, the floor (bare Fastify, one \`pg\` INSERT, nothing else) and the stock peer (NestJS as documented: Express, class-validator, TypeORM \`save\`, \`ClientProxy.emit\`)
run interleaved on the same machine; each figure is the median of its rounds. Parley authenticates, limits, deduplicates, numbers, indexes for search and publishes.

| figure | target | measured | |
| --- | --- | --- | --- |
${targetsOf(results).join('\n')}

## ACK against load

| connections | target | ACK/s | P50 ms | P95 ms | P99 ms | / floor | / stock peer | not 2xx |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
${connections
  .flatMap((count) =>
    results.acks
      .filter((figure) => figure.connections === count)
      .map(
        (figure) =>
          `| ${count} | ${figure.target} | ${Math.round(figure.perSecond)} | ${figure.p50Ms} | ${figure.p95Ms} | ${figure.p99Ms} | ${ratio(figure.perSecond, figureOf(results, 'floor', count)?.perSecond)} | ${ratio(figure.perSecond, figureOf(results, 'stock peer', count)?.perSecond)} | ${Object.keys(figure.failures).length === 0 ? '0' : JSON.stringify(figure.failures)} |`,
      ),
  )
  .join('\n')}

![ACK latency against load](ack-latency.svg)
![ACK throughput against load](ack-throughput.svg)
${renderCosts(results.costs)}${
  overload === undefined
    ? ''
    : `
## Overload

${Math.round(overload.offeredPerSecond)} requests/s offered over 1,000 connections, three times the peak of ${Math.round(overload.peakPerSecond)}/s: acknowledged ${Math.round(overload.result.perSecond)}/s,
P50 ${overload.result.p50Ms} ms, P95 ${overload.result.p95Ms} ms; not 2xx: ${JSON.stringify(overload.result.failures)}. The load generator shares the two cores.
`
}${
  pipeline === undefined
    ? ''
    : `
## The whole pipeline at ${pipeline.offeredPerSecond} messages/s

Acknowledged ${Math.round(pipeline.ack.perSecond)}/s, P50 ${pipeline.ack.p50Ms} ms, P95 ${pipeline.ack.p95Ms} ms, P99 ${pipeline.ack.p99Ms} ms; searchable by vector after P50 ${pipeline.searchableP50Ms} ms, P95 ${pipeline.searchableP95Ms} ms;
everything indexed ${pipeline.drainedAfterSeconds} s after the last message; not 2xx: ${JSON.stringify(pipeline.ack.failures)}.

![Queue growth](queue-growth.svg)
`
}${
  vectors === undefined
    ? ''
    : `
## Vectors

${vectors.written} vectors into a collection of ${vectors.heldBefore}. Chroma alone, batches of 100, two at a time: ${Math.round(vectors.chromaPerSecond)}/s. Parley working off a backlog: ${Math.round(vectors.parleyPerSecond)}/s (${ratio(vectors.parleyPerSecond, vectors.chromaPerSecond)}).
`
}
## Search

| messages | P50 ms | P95 ms | P99 ms | degraded |
| --- | --- | --- | --- | --- |
${results.searches.map((search) => `| ${search.messages} | ${search.p50Ms} | ${search.p95Ms} | ${search.p99Ms} | ${search.degradedCount} |`).join('\n')}
${renderSuggestions(results.suggestions ?? [])}${results.nightly === undefined ? '' : renderNightly(results.nightly)}
## ACK at size

Messages stored before the sends came, with the full text of all of them; everything is running. Long: 16,384 characters of words that no other text has.

| messages | texts | offered | P50 ms | P95 ms | P99 ms | P99.9 ms | P99.9 / P99 | words known after, at most | not 2xx |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
${results.acksAtSize
  .map(
    (figure) =>
      `| ${figure.messages} | ${figure.texts} | ${figure.offeredPerSecond}/s | ${figure.p50Ms} | ${figure.p95Ms} | ${figure.p99Ms} | ${figure.p999Ms} | ${ratio(figure.p999Ms, figure.p99Ms)} | ${figure.textIndexLagMs} ms | ${Object.keys(figure.failures).length === 0 ? '0' : JSON.stringify(figure.failures)} |`,
  )
  .join('\n')}

## Growth

| messages stored | ACK/s at 100 connections |
| --- | --- |
${results.growth.map(([messages, perSecond]) => `| ${messages} | ${Math.round(perSecond)} |`).join('\n')}
${renderLargeLogs(results.largeLogs)}${results.live === undefined ? '' : renderLive(results.live)}`;
};

/** The charts, by file name. */
export const renderCharts = (results: BenchResults): Record<string, string> => {
  const names = [...new Set(results.acks.map((figure) => figure.target))];
  const line = (value: (figure: AckFigure) => number) =>
    names.map((name) => ({
      name,
      points: results.acks.filter((figure) => figure.target === name).map((figure) => [figure.connections, value(figure)] as const),
    }));
  const charts: Record<string, string> = {
    ...(results.live === undefined ? {} : liveCharts(results.live)),
    'ack-latency.svg': lineChart({
      title: 'ACK latency, P95',
      xLabel: 'connections',
      yLabel: 'ms',
      series: line((figure) => figure.p95Ms),
      logX: true,
    }),
    'ack-throughput.svg': lineChart({
      title: 'ACK throughput',
      xLabel: 'connections',
      yLabel: 'ACK/s',
      series: line((figure) => figure.perSecond),
      logX: true,
    }),
  };
  if (results.pipeline !== undefined && results.pipeline.queue.length > 0) {
    charts['queue-growth.svg'] = lineChart({
      title: `Messages without vectors at ${results.pipeline.offeredPerSecond}/s offered`,
      xLabel: 'seconds',
      yLabel: 'messages',
      series: [{ name: 'backlog', points: results.pipeline.queue }],
    });
  }
  return charts;
};
