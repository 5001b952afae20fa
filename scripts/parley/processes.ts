import type { Command } from 'commander';
import pc from 'picocolors';
import type { LockWait } from '#lib/database/lock-waits.port';
import type { BreakerReport } from '#lib/resilience/breakers';
import type { ProcessReport } from '#lib/runtime/process-report';
import { mintToken } from '#lib/testing/mint-token';
import { Explained } from '../explain.js';
import { findParley } from '../running-stack.js';
import { tableOf } from '../table.js';

interface Options {
  readonly url?: string;
  readonly json?: boolean;
}

type Shown = (ProcessReport & { readonly silent: false }) | { readonly pid: number; readonly silent: true };
interface InFlight {
  readonly items: readonly Shown[];
  readonly lockWaits: readonly LockWait[] | null;
}

/** Longer than the gateway takes to give up on a worker (1 s) and on Postgres (2 s). */
const ANSWER_WITHIN_MS = 8_000;
const TOKEN_SECONDS = 60;

/** Adds `parley breakers` and `parley in-flight`: what the gateway processes know of themselves, so these ask the gateway. */
export function addProcessCommands(program: Command): void {
  program
    .command('breakers')
    .description('the circuit breakers of every gateway process')
    .option('--url <url>', 'gateway to ask')
    .option('--json', 'print {items: [...]} as GET /v1/admin/breakers does')
    .action(showBreakers);
  program
    .command('in-flight')
    .description('what every gateway process has in hand and what it waits for, its pools, and who waits for whose lock')
    .option('--url <url>', 'gateway to ask')
    .option('--json', 'print {items, lockWaits} as GET /v1/admin/in-flight does')
    .action(showInFlight);
}

async function showBreakers({ url, json = false }: Options): Promise<void> {
  const answer = await ask<{ items: readonly (BreakerReport & { pid: number })[] }>('/v1/admin/breakers', url);
  if (json) return print(answer);
  const colour = { closed: pc.green, 'half-open': pc.yellow, open: pc.red };
  const rows = answer.items.map(({ pid, dependency, operation, state, since }) => [
    dependency,
    operation,
    colour[state](state),
    String(since),
    pid,
  ]);
  console.log(tableOf(['dependency', 'operation', 'state', 'since', 'process'], rows));
}

async function showInFlight({ url, json = false }: Options): Promise<void> {
  const answer = await ask<InFlight>('/v1/admin/in-flight', url);
  if (json) return print(answer);
  for (const each of answer.items)
    console.log(each.silent ? pc.red(`process ${each.pid} does not answer: it hangs, or is very busy`) : textOf(each));
  console.log(locksOf(answer.lockWaits));
}

function textOf({ pid, eventLoopLagMs, work, pools }: Extract<Shown, { silent: false }>): string {
  const works = work.items.map(({ what, id, phase, ageMs, deadlineMs, isOverdue, waitingFor }) => [
    what,
    id,
    isOverdue ? pc.red(`${phase}, overdue`) : phase,
    `${ageMs} ms`,
    deadlineMs === null ? '-' : `${deadlineMs} ms`,
    waitingFor.map(({ dependency, operation, stage, forMs }) => `${dependency} ${operation}: ${stage}, ${forMs} ms`).join('\n') || '-',
  ]);
  const places = pools.map(({ name, size, inUse, waiting, exhaustedForMs }) => [
    name,
    `${inUse} of ${size}`,
    waiting,
    exhaustedForMs === 0 ? '-' : `${exhaustedForMs} ms`,
  ]);
  return [
    pc.bold(`process ${pid}: ${work.count} in hand, event loop ${eventLoopLagMs} ms late`),
    tableOf(['what', 'id', 'phase', 'age', 'deadline', 'waits for'], works),
    ...(places.length === 0 ? [] : [tableOf(['pool', 'in use', 'waiting', 'nothing given back for'], places)]),
  ].join('\n');
}

function locksOf(lockWaits: InFlight['lockWaits']): string {
  if (lockWaits === null) return pc.yellow('Postgres does not say who waits for whose lock');
  if (lockWaits.length === 0) return 'nobody waits for a lock in Postgres';
  const rows = lockWaits.map(({ pid, application, lock, waitingSeconds, blockedBy }) => [
    `${application} (${pid})`,
    lock ?? '?',
    `${waitingSeconds.toFixed(1)} s`,
    blockedBy.map((holder) => `${holder.application} (${holder.pid}), ${holder.state ?? '?'}`).join('\n'),
  ]);
  return tableOf(['waits', 'lock', 'for', 'held by'], rows);
}

async function ask<T>(path: string, url: string | undefined): Promise<T> {
  const parley = await findParley(url);
  const token = await mintToken(parley.secret, {
    user: 'operator',
    scopes: ['admin'],
    audience: parley.audience,
    ttlSeconds: TOKEN_SECONDS,
  });
  const answer = await fetch(new URL(path, parley.url), {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  }).catch((error: Error) => {
    throw new Explained(`the gateway at ${parley.url} does not answer (${error.name}): \`npm run status\` says what runs here`);
  });
  if (!answer.ok) throw new Explained(`the gateway at ${parley.url} answered ${answer.status}: is AUTH_JWT_SECRET the one that it has?`);
  return (await answer.json()) as T;
}

function print(answer: unknown): void {
  process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
}
