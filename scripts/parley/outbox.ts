import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { type Command } from 'commander';
import pc from 'picocolors';
import { type OutboxStatus, OutboxUnparkOrder } from '#lib/contracts/admin';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { PostgresOutbox } from '#lib/database/outbox/adapters/postgres-outbox';
import { ParkedEvents } from '#lib/database/outbox/parked-events';
import { applicationName } from '#lib/database/pool-budget';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { DependencyError } from '#lib/resilience/call/errors';
import { createLogger } from '#lib/runtime/log/logger';
import { Explained } from '../explain.js';
import { parleyHome } from '../home.js';
import { LogFile } from '../log-file.js';
import { operatorConfig } from '../running-stack.js';
import { ago, duration, shortened } from './cells.js';
import { printable } from './printable.js';

/** Adds `parley outbox` and `parley outbox unpark`. They ask Postgres itself: the outbox is looked at when RabbitMQ is down. */
export function addOutboxCommands(program: Command): void {
  const outbox = program
    .command('outbox')
    .description('events that RabbitMQ does not have yet: how many, how old, and which were set aside, and why')
    .option('--json', 'print it as GET /v1/admin/outbox does')
    .action(show);
  outbox
    .command('unpark')
    .description('try events again that were set aside, by their ids or --all')
    .argument('[ids...]', 'event ids')
    .option('--all', 'all of them')
    .option('--json', 'print {unparked}')
    .action(unpark);
}

async function show({ json = false }: { json?: boolean }): Promise<void> {
  const status = await withParkedEvents((parked) => parked.status());
  if (json) return print(status);
  const { pending, isEstimate, oldestAgeSeconds, parked, items } = status;
  const age = pending === 0 ? '' : `, the oldest for ${duration(oldestAgeSeconds * 1_000)}`;
  console.log(`${isEstimate ? 'about ' : ''}${pending} waiting${age}; ${parked} set aside`);
  if (items.length > 0) console.log(linesOf(items));
  if (parked > items.length) console.log(`the oldest ${items.length} of ${parked}`);
}

/** Two lines for each: the id must be whole, it is what `unpark` takes. */
const linesOf = (items: OutboxStatus['items']): string =>
  items
    .map(({ eventId, type, attempts, parkedAt, reason }) => {
      const why = pc.red(printable(shortened(reason, MAX_REASON)));
      return `${pc.bold(eventId)}  ${printable(type)}\n  ${attempts} tries, set aside ${ago(parkedAt)} ago: ${why}`;
    })
    .join('\n');

const MAX_REASON = 48;

async function unpark(ids: string[], { all, json = false }: { all?: boolean; json?: boolean }, command: Command): Promise<void> {
  const order = OutboxUnparkOrder.safeParse(ids.length === 0 ? { all } : { ids, all });
  if (!order.success) throw new Explained('name the event ids, or say --all', 2);
  const isJson = json || command.parent?.opts()['json'] === true;
  const outcome = await withParkedEvents((parked) => parked.unpark(order.data, `${userInfo().username}@${hostname()}`));
  if (isJson) print(outcome);
  else console.log(`${outcome.unparked} are tried again`);
}

async function withParkedEvents<T>(work: (parked: ParkedEvents) => Promise<T>): Promise<T> {
  const config = await operatorConfig();
  const audit = new LogFile(join(parleyHome().logs, 'operator.log'));
  const lanes = new PostgresLanes({
    url: config.DATABASE_URL,
    applicationName: applicationName('cli'),
    lanes: { relay: 1 },
    acquireTimeoutMs: config.DB_POOL_TIMEOUT_MS,
    statementTimeoutMs: config.DB_STATEMENT_TIMEOUT_MS,
    slowQueryMs: config.DB_SLOW_QUERY_MS,
    breakers: createBreakers(),
    logger: createLogger('cli', 'silent'),
  });
  try {
    return await work(new ParkedEvents(new PostgresOutbox(lanes.lane('relay')), createLogger('cli', 'info', audit)));
  } catch (error) {
    if (!(error instanceof DependencyError)) throw error;
    throw new Explained(`Postgres at ${new URL(config.DATABASE_URL).host} does not answer, or is not migrated: \`parley migrate\``);
  } finally {
    await lanes.close();
    audit.flush();
  }
}

const print = (answer: unknown): void => void process.stdout.write(`${printable(JSON.stringify(answer, undefined, 2))}\n`);
