import { percentile } from '#lib/testing/percentiles';
import { type LoadResult, postMessages } from './load.js';
import type { Target } from './targets.js';
import { chatText } from './text.js';

/** ACK throughput and latency of one target at one number of connections: the medians of its rounds. */
export interface AckFigure extends LoadResult {
  readonly target: Target['name'];
  readonly connections: number;
}

const median = (values: readonly number[]): number => percentile(values, 0.5) ?? 0;

const mergeFailures = (runs: readonly LoadResult[]): Record<string, number> => {
  const merged: Record<string, number> = {};
  for (const run of runs) for (const [status, count] of Object.entries(run.failures)) merged[status] = (merged[status] ?? 0) + count;
  return merged;
};

/**
 * Runs the targets one after the other, round by round, in turning order: whatever else the machine does in these minutes
 * hits all of them alike. One warm-up round is thrown away.
 */
export const compareAcks = async ({
  targets,
  connections,
  seconds,
  rounds,
  settle,
  progress,
}: {
  targets: readonly Target[];
  connections: readonly number[];
  seconds: number;
  rounds: number;
  /** Waits until what a run left behind (queues, vectors) is worked off, so that it does not burden the next target. */
  settle: (target: Target) => Promise<void>;
  progress: (line: string) => void;
}): Promise<AckFigure[]> => {
  for (const target of targets)
    await postMessages({ baseUrl: target.url, senders: target.senders.slice(0, 50), seconds: 3, content: chatText });
  const figures: AckFigure[] = [];
  for (const count of connections) {
    const runs = new Map<Target['name'], LoadResult[]>();
    for (let round = 0; round < rounds; round += 1) {
      const order = [...targets.slice(round % targets.length), ...targets.slice(0, round % targets.length)];
      for (const target of order) {
        const result = await postMessages({ baseUrl: target.url, senders: target.senders.slice(0, count), seconds, content: chatText });
        runs.set(target.name, [...(runs.get(target.name) ?? []), result]);
        progress(`${count} connections, ${target.name}: ${Math.round(result.perSecond)}/s, P95 ${result.p95Ms} ms`);
        await settle(target);
      }
    }
    for (const [name, all] of runs) {
      figures.push({
        target: name,
        connections: count,
        perSecond: median(all.map((run) => run.perSecond)),
        p50Ms: median(all.map((run) => run.p50Ms)),
        p95Ms: median(all.map((run) => run.p95Ms)),
        p99Ms: median(all.map((run) => run.p99Ms)),
        p999Ms: median(all.map((run) => run.p999Ms)),
        okCount: all.reduce((sum, run) => sum + run.okCount, 0),
        failures: mergeFailures(all),
      });
    }
  }
  return figures;
};
