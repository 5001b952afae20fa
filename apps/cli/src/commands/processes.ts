import type { Command } from 'commander';
import pc from 'picocolors';
import type { BreakerState, ProcessName, ProcessState } from '#lib/contracts/control';
import type { LockWait } from '#lib/database/lock-waits.port';
import type { z } from 'zod';
import { tableOf } from '#lib/devstack/terminal/table';
import { ago, duration, processLabels, shortened } from '../output/cells.js';
import { askGateway } from '../operator/ask-gateway.js';
import { printJson } from '../output/print-json.js';

interface Options {
  readonly url?: string;
  readonly json?: boolean;
}

type Silent = ProcessName & { readonly silent: true; readonly reason: string };
interface Asked {
  readonly others: 'asked' | 'unreachable';
}
interface BreakersAnswer extends Asked {
  readonly items: readonly (ProcessName & z.infer<typeof BreakerState>)[];
  readonly silent: readonly Silent[];
}
interface InFlightAnswer extends Asked {
  readonly items: readonly ((ProcessName & ProcessState & { readonly silent: false }) | Silent)[];
  readonly lockWaits: readonly LockWait[] | null;
}

/** Adds `parley breakers` and `parley in-flight`. They ask the gateway, which asks every process of every app. */
export function addProcessCommands(program: Command): void {
  program
    .command('breakers')
    .description('the circuit breakers of every process')
    .option('--url <url>', 'gateway to ask')
    .option('--json', 'print {items, others, silent} as GET /v1/admin/breakers does')
    .action(showBreakers);
  program
    .command('in-flight')
    .description('what every process has in hand and what it waits for, its pools, and who waits for whose lock')
    .option('--url <url>', 'gateway to ask')
    .option('--json', 'print {items, others, lockWaits} as GET /v1/admin/in-flight does')
    .action(showInFlight);
}

async function showBreakers({ url, json = false }: Options): Promise<void> {
  const answer = await askGateway<BreakersAnswer>('/v1/admin/breakers', url);
  if (json) return printJson(answer);
  const colour = { closed: pc.green, 'half-open': pc.yellow, open: pc.red };
  const label = processLabels(answer.items);
  const rows = answer.items.map((each) => [
    label(each),
    each.dependency,
    shortened(each.operation, 20),
    colour[each.state](each.state),
    ago(each.since),
  ]);
  console.log(tableOf(['process', 'dependency', 'operation', 'state', 'for'], rows));
  console.log(unknownOnes(answer, answer.silent));
}

async function showInFlight({ url, json = false }: Options): Promise<void> {
  const answer = await askGateway<InFlightAnswer>('/v1/admin/in-flight', url);
  if (json) return printJson(answer);
  const label = processLabels(answer.items);
  for (const each of answer.items) if (!each.silent) console.log(textOf(label(each), each));
  const silent = answer.items.filter((each) => each.silent);
  console.log([unknownOnes(answer, silent), locksOf(answer.lockWaits)].filter((text) => text !== '').join('\n'));
}

/** What must not be taken for "all is well": processes that said nothing, and those that could not be asked. */
function unknownOnes({ others }: Asked, silent: readonly Silent[]): string {
  const label = processLabels(silent);
  const lines = silent.map((each) => pc.red(`${label(each)} says nothing: ${each.reason}`));
  if (others === 'unreachable') lines.push(pc.red('RabbitMQ does not answer: nothing is known of processes other than the gateway'));
  return lines.join('\n');
}

function textOf(name: string, { work, pools, eventLoopLagMs }: ProcessState): string {
  const works = work.items.map(({ what, id, phase, ageMs, isOverdue, waitingFor }) => [
    shortened(what, 26),
    shortened(id, 8),
    isOverdue ? pc.red('overdue') : phase,
    duration(ageMs),
    waitingFor.map(({ dependency, stage, forMs }) => `${dependency} ${stage} ${duration(forMs)}`).join('\n') || '-',
  ]);
  const places = pools.map((pool) => [
    shortened(pool.name, 30),
    `${pool.inUse} of ${pool.size}`,
    pool.waiting,
    pool.exhaustedForMs === 0 ? '-' : duration(pool.exhaustedForMs),
  ]);
  return [
    pc.bold(`${name}: ${work.count} in hand, event loop ${Math.round(eventLoopLagMs)} ms late`),
    ...(works.length === 0 ? [] : [tableOf(['what', 'id', 'phase', 'age', 'waits for'], works)]),
    ...(places.length === 0 ? [] : [tableOf(['pool', 'in use', 'waiting', 'full for'], places)]),
  ].join('\n');
}

function locksOf(lockWaits: InFlightAnswer['lockWaits']): string {
  if (lockWaits === null) return pc.yellow('Postgres does not say who waits for whose lock');
  if (lockWaits.length === 0) return 'no statement waits for a lock in Postgres';
  const rows = lockWaits.map(({ pid, application, lock, waitingSeconds, blockedBy }) => [
    shortened(`${application} (${pid})`, 24),
    shortened(lock ?? '?', 10),
    `${waitingSeconds.toFixed(1)} s`,
    blockedBy.map((holder) => shortened(`${holder.application} (${holder.pid}), ${holder.state ?? '?'}`, 26)).join('\n'),
  ]);
  return tableOf(['waits', 'lock', 'for', 'held by'], rows);
}
