import pc from 'picocolors';
import { withoutMiddle } from '#lib/devstack/terminal/table';
import { printable } from '../output/printable.js';
import { wrapped } from '../output/wrapped.js';
import type { FoundPath } from './find-path.js';
import type { Step } from '#lib/database/traces/step';

const COLUMNS = 80;
const [AFTER, WHO, TOOK, OUTCOME] = [8, 10, 8, 11];
const WHAT = COLUMNS - AFTER - WHO - TOOK - OUTCOME - 4;

/** The tree in 80 columns: when after its beginning, who, what, how long, how it ended. */
export function renderPath({ traceIds, requestIds, about, steps, missing }: FoundPath): string {
  const begin = steps[0]?.at ?? 0;
  const lines: string[] = [
    ...traceIds.slice(0, MOST_IDS).map((id) => pc.dim(`trace ${id}`)),
    ...requestIds.slice(0, MOST_IDS).map((id) => pc.dim(`request ${printable(id)}`)),
    ...about.map((line) => pc.dim(printable(line))),
    pc.dim(`began ${new Date(begin).toISOString()}`),
    '',
  ];
  const add = (step: Step, indent: string, branch: string) => {
    lines.push(lineOf(step, begin, indent + branch));
    const below = indent + (branch === '' ? '' : branch === LAST ? '  ' : '│ ');
    step.children.forEach((child, i) => add(child, below, i === step.children.length - 1 ? LAST : '├ '));
  };
  for (const step of steps) add(step, '', '');
  if (missing.length > 0) lines.push('', 'Not known:', ...missing.flatMap((line) => wrapped(`- ${printable(line)}`, COLUMNS)));
  return lines.join('\n');
}

const LAST = '└ ';
const MOST_IDS = 3;

function lineOf({ who, what, at, durationMs, outcome, isFailed }: Step, begin: number, tree: string): string {
  const room = Math.max(8, WHAT - tree.length);
  const shown = withoutMiddle(printable(what), room);
  const end = withoutMiddle(printable(outcome), OUTCOME);
  return [
    `+${milliseconds(at - begin)}`.padStart(AFTER),
    withoutMiddle(printable(who), WHO).padEnd(WHO),
    tree + shown.padEnd(Math.max(0, WHAT - tree.length)),
    (durationMs === undefined ? '' : milliseconds(durationMs)).padStart(TOOK),
    isFailed ? pc.red(end) : pc.green(end),
  ].join(' ');
}

/** In at most seven characters. */
function milliseconds(ms: number): string {
  if (ms < 100) return `${Math.max(0, ms).toFixed(1)}ms`;
  if (ms < 10_000) return `${Math.round(ms)}ms`;
  return ms < 1e6 ? `${(ms / 1_000).toFixed(1)}s` : `${Math.round(ms / 60_000)}min`;
}
