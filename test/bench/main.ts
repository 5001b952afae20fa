import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import pc from 'picocolors';
import { compareAcks } from './ack.js';
import { type AckAtSizeFigure, fillDatabase, measureAcksAtSize } from './ack-at-size.js';
import { compareCosts, type CostFigure, type CountedTarget, INSPECTABLE } from './cost.js';
import { renderCosts } from './cost-report.js';
import { type LargeLogFigures, measureLargeLogs, renderLargeLogs } from './large-log.js';
import { type HungCollectorFigures, measureHungCollector, renderHungCollector, type TracedParley } from './hung-collector.js';
import { type LiveFigures, measureLive } from './live/live.js';
import { renderLive } from './live/live-report.js';
import { postMessages, type Sender } from './load.js';
import type { CountedProcess } from './process-cost.js';
import { measureNightly, nightlyEnvironment, type NightlyFigures, renderNightly } from './nightly.js';
import { runPipeline, untilIndexed } from './pipeline.js';
import { type BenchResults, machineLine, renderCharts, renderReport } from './report.js';
import { measureSearch, type SearchFigure } from './search.js';
import { compareSuggestions, renderSuggestions, type SuggestFigure } from './suggest.js';
import { anonymousSenders, askDatabase, parleySenders, startBenchServer } from './targets.js';
import { chatText } from './text.js';
import { measureTraces, renderTraces, type TraceFigures } from './traces.js';
import { compareVectorRates } from './vectors.js';
import { freshDatabase, freshVhost } from '#lib/testing/databases';
import { startPrivateStack } from '#lib/devstack/private-stack';
import type { PrivateServer } from '#lib/devstack/process/server-process';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { ScriptedCollector } from '#lib/testing/scripted-collector';
import type { StackUrls } from '#lib/testing/vitest-stack';
import { freePorts } from '#lib/devstack/ports/free-ports';

const options = new Command('bench')
  .description('Measures Parley beside a floor and a stock NestJS peer on a private stack of its own; writes test/bench/results/.')
  .option('--quick', 'shorter runs and fewer messages: to see that it works, not to publish', false)
  .addOption(
    new Option(
      '--only <part>',
      'measure this part alone; live, nightly and large-log replace their part of the results, cost, suggest, traces and hung-collector write none',
    ).choices(['cost', 'live', 'nightly', 'suggest', 'large-log', 'traces', 'hung-collector']),
  )
  .option('--messages <n>', 'stored messages of the largest search figure', '100000')
  .option('--stored <n>', 'messages in the database for the sends at size', '1500000')
  .parse()
  .opts<{
    quick: boolean;
    only?: 'cost' | 'live' | 'nightly' | 'suggest' | 'large-log' | 'traces' | 'hung-collector';
    messages: string;
    stored: string;
  }>();

const startedAt = performance.now();
const say = (line: string) => console.log(`${pc.dim(`${Math.round((performance.now() - startedAt) / 1_000)} s`.padStart(6))} ${line}`);
const seconds = options.quick ? 2 : 5;
const connections = options.quick ? [1, 100] : [1, 10, 100, 500];
const searchSizes = options.quick ? [2_000] : [10_000, Number(options.messages)];

/** Limits are on, so that their cost counts, and so high that one connection per user never meets them. */
const wideLimits = {
  RATE_LIMIT_PER_USER: '100000',
  RATE_LIMIT_GLOBAL: '1000000',
  RATE_LIMIT_BYTES_PER_USER: '1000000000',
  RATE_LIMIT_BODY_BYTES_PER_USER: '1000000000',
  HTTP_MAX_CONCURRENT_PER_USER: '1000',
};

const folder = await mkdtemp(join(tmpdir(), 'parley-bench-'));
const stack = await startPrivateStack({ progress: say });
try {
  const urls = {
    databaseUrl: stack.databaseUrl,
    rabbitmqUrl: stack.rabbitmqUrl,
    rabbitmqManagementUrl: stack.rabbitmqManagementUrl,
    redisUrl: stack.redisUrl,
    chromaUrl: stack.chromaUrl,
  };
  if (options.only === 'live') replacePart({ live: await measureLiveOn(urls) });
  else if (options.only === 'nightly') replacePart({ nightly: await measureNightlyOn(urls) });
  else if (options.only === 'traces') console.log(renderTraces(await measureTracesOn(urls)));
  else if (options.only === 'hung-collector') console.log(renderHungCollector(await measureHungCollectorOn(urls)));
  else if (options.only === 'large-log') replacePart({ largeLogs: await measureLargeLogsOn(urls) });
  else await compareAll(urls);
} finally {
  await stack.stop();
  await rm(folder, { recursive: true, force: true });
}

async function compareAll(urls: StackUrls): Promise<void> {
  const results = await compareSends(urls);
  if (results === undefined) return;
  const nightly = await measureNightlyOn(urls);
  writeResults({ ...results, nightly, live: await measureLiveOn(urls), largeLogs: await measureLargeLogsOn(urls) });
}

/** What users wait for, without and with the nightly run beside it. */
async function measureNightlyOn(urls: StackUrls): Promise<NightlyFigures> {
  const parley = await startParley({ stack: urls, env: { ...wideLimits, ...nightlyEnvironment() } });
  try {
    const size = options.quick ? { jobs: 1_000, rounds: 2, seconds: 10 } : { jobs: 10_000, rounds: 3, seconds: 20 };
    return await measureNightly(parley, { ...size, progress: say });
  } finally {
    await parley.stop();
  }
}

/** Sends without traces, and with a collector that takes them or hangs. */
async function measureTracesOn(urls: StackUrls): Promise<TraceFigures> {
  const collector = await ScriptedCollector.start();
  const off = await startParley({ stack: urls, env: wideLimits });
  const on = await startParley({ stack: urls, env: { ...wideLimits, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } }).catch(
    async (error: unknown) => {
      await off.stop();
      throw error;
    },
  );
  try {
    const size = options.quick ? { rounds: 3, seconds: 10 } : { rounds: 8, seconds: 20 };
    return await measureTraces({ off, on, collector }, { ...size, perSecond: 100, progress: say });
  } finally {
    await Promise.all([off.stop(), on.stop()]);
    await collector.stop();
  }
}

/** Sends to two Parleys at the same time, of which one has a collector that hangs. */
async function measureHungCollectorOn(urls: StackUrls): Promise<HungCollectorFigures> {
  const started: TracedParley[] = [];
  const startOne = async (): Promise<TracedParley> => {
    const collector = await ScriptedCollector.start();
    const env = { ...wideLimits, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_TRACES_SAMPLER_ARG: '1' };
    const one = { collector, parley: await startParley({ stack: urls, env }) };
    started.push(one);
    return one;
  };
  try {
    const both = [await startOne(), await startOne()] as const;
    const size = options.quick ? { windows: 8, seconds: 3 } : { windows: 40, seconds: 4 };
    return await measureHungCollector(both, { ...size, perSecond: 60, progress: say });
  } finally {
    await Promise.all(started.map(({ parley }) => parley.stop()));
    await Promise.all(started.map(({ collector }) => collector.stop()));
  }
}

/** Live delivery, beside its own peers. */
function measureLiveOn(urls: StackUrls): Promise<LiveFigures> {
  return measureLive({ urls, redis: stack.redis, folder, quick: options.quick, progress: say });
}

/** Logs of 10 MB, beside senders. */
async function measureLargeLogsOn(urls: StackUrls): Promise<LargeLogFigures> {
  say('a fresh Parley for logs of 10 MB');
  return { commit: commit(), ...(await measureLargeLogs(urls, { seconds: options.quick ? 10 : 30, env: wideLimits })) };
}

/** Puts a part that was measured anew into the results of the last whole run; without one, it is only shown. */
function replacePart(part: Pick<BenchResults, 'live' | 'largeLogs' | 'nightly'>): void {
  const latest = join(resultsFolder(), 'latest.json');
  if (existsSync(latest)) writeResults({ ...(JSON.parse(readFileSync(latest, 'utf8')) as BenchResults), ...part });
  else {
    if (part.live !== undefined) console.log(renderLive(part.live));
    if (part.nightly !== undefined) console.log(renderNightly(part.nightly));
    if (part.largeLogs !== undefined) console.log(renderLargeLogs(part.largeLogs));
  }
}

function commit(): string {
  return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', timeout: 5_000 }).trim();
}

/** Parley, the floor and the stock peer side by side, then Parley alone. @returns nothing when only costs are asked for, which it shows. */
async function compareSends(urls: StackUrls): Promise<BenchResults | undefined> {
  const [floorPort = 0, stockPort = 0] = await freePorts(2);
  const [floorDatabase, stockDatabase, stockVhost] = await Promise.all([
    freshDatabase(urls.databaseUrl),
    freshDatabase(urls.databaseUrl),
    freshVhost(urls),
  ]);
  say('starting Parley, the floor and the stock peer');
  const parley = await startParley({
    stack: urls,
    env: { ...wideLimits, ...INSPECTABLE, LOG_LEVEL: 'info' },
  });
  const floor = await startBenchServer('floor', 'floor.js', folder, floorPort, { ...INSPECTABLE, DATABASE_URL: floorDatabase.url });
  const stock = await startBenchServer('stock-peer', 'stock-peer/main.js', folder, stockPort, {
    ...INSPECTABLE,
    DATABASE_URL: stockDatabase.url,
    RABBITMQ_URL: stockVhost.url,
  });
  try {
    const senders = await parleySenders(parley, Math.max(...connections));
    const postgres = { name: 'Postgres', pid: stack.postgres.pid };
    const rabbitmq = { name: 'RabbitMQ', pid: stack.rabbitmq.pid };
    const targets: CountedTarget[] = [
      { name: 'floor', url: floor.url, senders: anonymousSenders(senders.length), processes: [nodeProcess('floor', floor), postgres] },
      {
        name: 'stock peer',
        url: stock.url,
        senders: anonymousSenders(senders.length),
        processes: [nodeProcess('stock peer', stock), postgres, rabbitmq],
      },
      {
        name: 'parley',
        url: parley.url,
        senders,
        processes: [
          nodeProcess('gateway', parley.gateway),
          nodeProcess('ops', parley.ops),
          postgres,
          rabbitmq,
          { name: 'Redis', pid: stack.redis.pid },
        ],
      },
    ];

    // The ACK comparison is about the ACK: vectors and deliveries are made afterwards, so that they do not take the load generator's core.
    await Promise.all([parley.embedding.stop(), parley.delivery.stop()]);
    if (options.only === 'cost') console.log(renderCosts(await costsOf(targets)));
    else if (options.only === 'suggest') console.log(renderSuggestions(await suggestionsOf(parley, floor.url, senders)));
    else return await measureAll(parley, targets, urls, await suggestionsOf(parley, floor.url, senders));
    return undefined;
  } finally {
    await Promise.all([floor.stop(), stock.stop(), parley.stop()]);
  }
}

/** Suggestions beside the floor. */
async function suggestionsOf(parley: RunningParley, floorUrl: string, senders: readonly Sender[]): Promise<SuggestFigure[]> {
  const few = connections.filter((count) => count <= 100);
  return compareSuggestions(parley, floorUrl, senders, { connections: few, seconds, progress: say });
}

/** The processes that answer one send after the other, under a counter of what each uses. */
async function costsOf(targets: readonly CountedTarget[]): Promise<CostFigure[]> {
  return compareCosts({ targets, connections: options.quick ? [100] : [1, 100], seconds, settle: halfASecond, progress: say });
}

async function measureAll(
  parley: RunningParley,
  targets: readonly CountedTarget[],
  urls: StackUrls,
  suggestions: readonly SuggestFigure[],
): Promise<BenchResults> {
  const senders = targets.find(({ name }) => name === 'parley')?.senders ?? [];
  const acks = await compareAcks({
    targets,
    connections,
    seconds,
    rounds: options.quick ? 1 : 3,
    settle: halfASecond,
    progress: say,
  });
  const gatewayMemoryMiB = residentMiB(parley.gateway.pid);
  const peakPerSecond = Math.max(...acks.filter(({ target }) => target === 'parley').map(({ perSecond }) => perSecond));
  const offeredPerSecond = Math.round(3 * peakPerSecond);
  const crowd = Array.from({ length: 1_000 }, (_, i) => senders[i % senders.length]).filter((sender) => sender !== undefined);
  const result = await postMessages({ baseUrl: parley.url, senders: crowd, seconds, perSecond: offeredPerSecond, content: chatText });
  say(`three times capacity: ${Math.round(result.perSecond)}/s acknowledged of a peak of ${Math.round(peakPerSecond)}/s`);
  const costs = await costsOf(targets);
  await parley.stop();

  say('a fresh Parley for the whole pipeline');
  const whole = await startParley({ stack: urls, env: wideLimits });
  try {
    const users = await parleySenders(whole, 100);
    const pipeline = await runPipeline(whole, users, 500, options.quick ? 5 : 30);
    say(`500/s: ACK P95 ${pipeline.ack.p95Ms} ms, searchable P95 ${pipeline.searchableP95Ms} ms`);
    const vectors = await compareVectorRates(whole, users, options.quick ? 2_000 : 8_000);
    say(
      `Parley works off a backlog at ${Math.round(vectors.parleyPerSecond)} vectors/s, Chroma by itself ${Math.round(vectors.chromaPerSecond)}`,
    );

    const reader = await whole.client('bench-reader');
    const searches: SearchFigure[] = [];
    const growth: [number, number][] = [];
    for (const size of searchSizes) {
      await fillUpTo(size, whole.databaseUrl, async () => {
        const { perSecond } = await postMessages({ baseUrl: whole.url, senders: users, seconds: 2, content: chatText });
        growth.push([await countMessages(whole.databaseUrl), perSecond]);
      });
      say(`${await countMessages(whole.databaseUrl)} messages stored; waiting for their vectors`);
      await untilIndexed(whole, 600_000);
      searches.push(await measureSearch(reader, await countMessages(whole.databaseUrl), options.quick ? 40 : 400));
      say(`hybrid search P95 ${searches.at(-1)?.p95Ms} ms`);
    }

    const stored = options.quick ? 20_000 : Number(options.stored);
    say(`filling Postgres with ${stored} messages`);
    await fillDatabase(whole.databaseUrl, stored);
    const acksAtSize: AckAtSizeFigure[] = await measureAcksAtSize(whole, users, { messages: stored, seconds: options.quick ? 5 : 45 });
    for (const { texts, p99Ms, p999Ms } of acksAtSize) say(`ACK at ${stored} messages, ${texts}: P99 ${p99Ms} ms, P99.9 ${p999Ms} ms`);

    return {
      startedAt: new Date(Date.now() - (performance.now() - startedAt)).toISOString(),
      command: `npm run bench${options.quick ? ' -- --quick' : ''}`,
      machine: machineLine(),
      commit: commit(),
      acks,
      overload: { offeredPerSecond, peakPerSecond, result },
      pipeline,
      vectors,
      searches,
      suggestions,
      acksAtSize,
      growth,
      gatewayMemoryMiB,
      costs,
    };
  } finally {
    await whole.stop();
  }
}

function nodeProcess(name: string, { pid, logFile }: PrivateServer): CountedProcess {
  return { name, pid, inspectorLog: logFile };
}

async function halfASecond(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 500));
}

async function countMessages(databaseUrl: string): Promise<number> {
  const [row] = await askDatabase<{ count: string }>(databaseUrl, 'SELECT count(*) FROM messages');
  return Number(row?.count ?? 0);
}

async function fillUpTo(size: number, databaseUrl: string, fillSome: () => Promise<void>): Promise<void> {
  while ((await countMessages(databaseUrl)) < size) await fillSome();
}

function residentMiB(pid: number | undefined): number {
  if (pid === undefined) return 0;
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kib ?? 0) / 1_024);
}

function resultsFolder(): string {
  return options.quick ? 'test/bench/results/quick' : 'test/bench/results';
}

function writeResults(results: BenchResults): void {
  const place = resultsFolder();
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'latest.json'), `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(join(place, 'latest.md'), renderReport(results));
  for (const [name, svg] of Object.entries(renderCharts(results))) writeFileSync(join(place, name), svg);
  console.log(renderReport(results));
}
