import { postMessages } from './load.js';
import { type Cost, type CountedProcess, measureCost } from './process-cost.js';
import type { Target } from './targets.js';
import { chatText } from './text.js';

/** What a message of one target cost at one number of connections. */
export interface CostFigure extends Cost {
  readonly target: string;
  /** undefined = offered at a rate, not as fast as answers come. */
  readonly connections?: number;
}

/** A target and the processes that work for it. */
export interface CountedTarget extends Target {
  readonly processes: readonly CountedProcess[];
}

/** Not counted: what V8 compiles while a process is new to the load, which may be half of what it uses. */
const WARM_UP_SECONDS = 5;

/** Starts a Node process so that its allocations can be sampled (allocations.ts). */
export const INSPECTABLE = { NODE_OPTIONS: '--inspect-port=0' };

/** Measures what a message costs each target, one after the other, as fast as answers come. */
export const compareCosts = async ({
  targets,
  connections,
  seconds,
  settle,
  progress,
}: {
  targets: readonly CountedTarget[];
  connections: readonly number[];
  seconds: number;
  settle: (target: Target) => Promise<void>;
  progress: (line: string) => void;
}): Promise<CostFigure[]> => {
  const figures: CostFigure[] = [];
  for (const count of connections) {
    for (const target of targets) {
      const senders = target.senders.slice(0, count);
      const load = (forSeconds: number) => postMessages({ baseUrl: target.url, senders, seconds: forSeconds, content: chatText });
      await load(WARM_UP_SECONDS);
      const cost = await measureCost(target.processes, () => load(seconds));
      progress(`cost, ${count} connections, ${target.name}: ${Math.round(cpuOf(cost))} µs of CPU per message in all`);
      figures.push({ target: target.name, connections: count, ...cost });
      await settle(target);
    }
  }
  return figures;
};

/** Microseconds of CPU time per message, over all processes but the load generator. */
export const cpuOf = ({ processes }: Cost): number => processes.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0);
