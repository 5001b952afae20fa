import { type CostFigure, cpuOf } from './cost.js';
import type { ProcessCost } from './process-cost.js';

/** Wanted of a send at 100 connections: the floor is what the same message costs when it is only stored. */
const MAX_CPU_RATIO = 1.5;
const MAX_CALLS_BEYOND = 2;
const MAX_ALLOCATED = 50_000;

/** What a row of targets shows: figure, target, measured, reached. */
export type TargetRow = readonly [figure: string, target: string, measured: string, isReached: boolean];

/** The rows of the table of targets. None for what was not measured. */
export const costTargets = (costs: readonly CostFigure[]): TargetRow[] => {
  const at = (target: string) => costs.find((cost) => cost.target === target && cost.connections === 100);
  const [parley, floor] = [at('parley'), at('floor')];
  if (parley === undefined || floor === undefined) return [];
  const cpu = cpuOf(parley) / cpuOf(floor);
  const rows: TargetRow[] = [[`CPU of a send, all processes / floor`, `<= ${MAX_CPU_RATIO}`, cpu.toFixed(2), cpu <= MAX_CPU_RATIO]];
  const [gateway, floorServer] = [parley.processes[0], floor.processes[0]];
  if (gateway?.systemCalls != null && floorServer?.systemCalls != null) {
    const beyond = gateway.systemCalls - floorServer.systemCalls;
    rows.push([
      'System calls of a send in the gateway beyond the floor',
      `<= ${MAX_CALLS_BEYOND}`,
      beyond.toFixed(1),
      beyond <= MAX_CALLS_BEYOND,
    ]);
  }
  if (gateway?.allocatedBytes != null) {
    const allocated = gateway.allocatedBytes;
    rows.push(['Allocated by a send in the gateway', `<= ${MAX_ALLOCATED / 1_000} kB`, kilobytes(allocated), allocated <= MAX_ALLOCATED]);
  }
  return rows;
};

/** The section "cost of a send"; empty when nothing was measured. */
export const renderCosts = (costs: readonly CostFigure[]): string => {
  const [first] = costs;
  if (first === undefined) return '';
  return `
## Cost of a send

Per acknowledged message and process: CPU time from \`/proc\`, system calls (${first.systemCallsBy}), bytes allocated on V8's heap (sampled). Three runs each, because counting slows down what it counts.
The load generator is left out.

| load | target | messages/s | process | CPU µs | system calls | allocated |
| --- | --- | --- | --- | --- | --- | --- |
${costs.flatMap(linesOf).join('\n')}
`;
};

const linesOf = (figure: CostFigure): string[] => {
  const { target, connections, perSecond, processes } = figure;
  const load = connections === undefined ? 'steady' : `${connections} connection${connections === 1 ? '' : 's'}`;
  const head = `| ${load} | ${target} | ${Math.round(perSecond)}`;
  const all: ProcessCost = { name: '**all**', cpuMicros: cpuOf(figure), systemCalls: callsOf(processes), allocatedBytes: null };
  return [...processes, all].map(
    ({ name, cpuMicros, systemCalls, allocatedBytes }) =>
      `${head} | ${name} | ${Math.round(cpuMicros)} | ${systemCalls === null ? '-' : systemCalls.toFixed(1)} | ${allocatedBytes === null ? '-' : kilobytes(allocatedBytes)} |`,
  );
};

const callsOf = (processes: readonly ProcessCost[]): number | null =>
  processes.reduce<number | null>((sum, { systemCalls }) => (sum === null || systemCalls === null ? null : sum + systemCalls), 0);

const kilobytes = (bytes: number): string => `${(bytes / 1_000).toFixed(1)} kB`;
