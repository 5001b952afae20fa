import { execFileSync } from 'node:child_process';
import { freshDatabase } from '#lib/testing/databases';
import { percentile } from '#lib/testing/percentiles';
import { startParley } from '#lib/testing/running-parley';
import type { StackUrls } from '#lib/testing/vitest-stack';
import type { PrivateServer } from '#lib/devstack/process/server-process';
import { INSPECTABLE } from '../cost.js';
import { type LiveLatency, measureLatency } from './latency.js';
import type { LiveTarget } from './live-target.js';
import { type LiveLoss, measureLoss } from './losses.js';
import { type LiveMemory, measureMemory } from './memory.js';
import { parleyTarget } from './parley-target.js';
import { peerKinds, startPeerTarget } from './peer-targets.js';
import { type LiveStage, measureStages } from './stages.js';
import { measureStorm, type ResumeStorm } from './storm.js';
import { type LiveThroughput, measureThroughput } from './throughput.js';

/** Everything that was measured of live delivery, with the commit it was measured on: it may be newer than the rest of the results. */
export interface LiveFigures {
  readonly startedAt: string;
  readonly commit: string;
  readonly seconds: number;
  readonly latencies: readonly LiveLatency[];
  readonly stages: readonly LiveStage[];
  /** Medians of the rounds. */
  readonly throughputs: readonly LiveThroughput[];
  readonly memories: readonly LiveMemory[];
  readonly storm: ResumeStorm;
  readonly losses: readonly LiveLoss[];
}

/** Where live delivery is measured. */
export interface LivePlace {
  readonly urls: StackUrls;
  readonly redis: PrivateServer;
  readonly folder: string;
  readonly quick: boolean;
  readonly progress: (line: string) => void;
}

const PER_SECOND = 20;

/** Measures Parley with two realtime processes, then each peer; in each the same members and messages. About five minutes. */
export const measureLive = async ({ urls, redis, folder, quick, progress }: LivePlace): Promise<LiveFigures> => {
  const startedAt = performance.now();
  const sizes = quick ? [2, 100] : [2, 100, 1_000];
  const seconds = quick ? 3 : 5;
  const steps = quick ? [1_000] : [5_000, 10_000];
  const latencies: LiveLatency[] = [];
  const throughputs: LiveThroughput[] = [];
  const memories: LiveMemory[] = [];
  const losses: LiveLoss[] = [];

  const measure = async (target: LiveTarget): Promise<void> => {
    for (const members of sizes) {
      const figure = await measureLatency(target, { members, perSecond: PER_SECOND, seconds });
      latencies.push(figure);
      progress(`${target.name}, ${members} members: last socket after P50 ${figure.p50Ms} ms, P95 ${figure.p95Ms} ms`);
    }
    if (target.name !== 'bare ws') {
      for (const fault of ['kill -9 of a node', 'Redis restarted'] as const) {
        const loss = await measureLoss(target, redis, fault, { members: 100, perSecond: 50, seconds: quick ? 4 : 6 });
        losses.push(loss);
        progress(`${target.name}, ${fault}: ${loss.missing} missing, ${loss.duplicated} twice, ${loss.outOfOrder} out of order`);
      }
    }
  };
  const measureAlone = async (target: LiveTarget): Promise<void> => {
    const rounds: LiveThroughput[] = [];
    for (let round = 0; round < (quick ? 1 : 3); round += 1) {
      rounds.push(await measureThroughput(target, { members: quick ? 200 : 1_000, messages: quick ? 50 : 100 }));
    }
    const median = percentile(
      rounds.map(({ framesPerSecond }) => framesPerSecond),
      0.5,
    );
    const figure = rounds.find(({ framesPerSecond }) => framesPerSecond === median);
    if (figure !== undefined) throughputs.push(figure);
    progress(`${target.name}: ${figure?.framesPerSecond} frames/s, ${figure?.cpuMicrosPerFrame} µs of CPU each`);
    const memory = await measureMemory(target, steps);
    memories.push(...memory);
    for (const { sockets, bytesPerSocket } of memory) progress(`${target.name}: ${bytesPerSocket} bytes per socket at ${sockets} sockets`);
  };

  const parley = await startParley({ stack: urls, env: { ...INSPECTABLE, LOG_LEVEL: 'info' }, twice: { realtime: {} } });
  let stages: LiveStage[];
  let storm: ResumeStorm;
  try {
    const target = await parleyTarget(parley);
    await measure(target);
    stages = await measureStages(parley, urls.redisUrl, target, { members: 100, perSecond: PER_SECOND, seconds });
    for (const { stage, p50Ms, p95Ms } of stages) progress(`parley, ${stage}: P50 ${p50Ms} ms, P95 ${p95Ms} ms after the answer`);
    storm = await measureStorm(target, { clients: quick ? 200 : 2_000, behind: 50 });
    progress(`resume storm: whole after P50 ${storm.whole.p50} ms, P99 ${storm.whole.p99} ms; ${storm.missing} missing`);
    // Vectors are made by a process that the peers do not have: it must not take the core of what is compared.
    await parley.embedding.stop();
    await measureAlone(target);
  } finally {
    await parley.stop();
  }
  for (const kind of peerKinds) {
    const database = await freshDatabase(urls.databaseUrl);
    const target = await startPeerTarget(kind, { folder, databaseUrl: database.url, redisUrl: urls.redisUrl });
    try {
      await measure(target);
      await measureAlone(target);
    } finally {
      await Promise.all(target.nodes.map((node) => node.kill()));
      await database.drop();
    }
  }
  return {
    startedAt: new Date(Date.now() - (performance.now() - startedAt)).toISOString(),
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', timeout: 5_000 }).trim(),
    seconds: Math.round((performance.now() - startedAt) / 1_000),
    latencies,
    stages,
    throughputs,
    memories,
    storm,
    losses,
  };
};
