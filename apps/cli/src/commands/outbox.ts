import { type Command } from 'commander';
import pc from 'picocolors';
import { type OutboxStatus, OutboxUnparkOrder } from '#lib/contracts/admin';
import { PostgresOutbox } from '#lib/database/outbox/adapters/postgres-outbox';
import { ParkedEvents } from '#lib/database/outbox/parked-events';
import type { Logger } from '#lib/runtime/log/logger';
import { Explained } from '#lib/devstack/terminal/explain';
import { ago, duration, shortened } from '../output/cells.js';
import { printJson } from '../output/print-json.js';
import { printable } from '../output/printable.js';
import { operatorName } from '../operator/identity.js';
import { silentLog, withAuditLog } from '../operator/logs.js';
import { withLane } from '../operator/with-lane.js';

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
  const status = await withParkedEvents(silentLog(), (parked) => parked.status());
  if (json) return printJson(status);
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
  const outcome = await withAuditLog((audit) => withParkedEvents(audit, (parked) => parked.unpark(order.data, operatorName())));
  if (isJson) printJson(outcome);
  else console.log(`${outcome.unparked} are tried again`);
}

const withParkedEvents = <T>(audit: Logger, work: (parked: ParkedEvents) => Promise<T>): Promise<T> =>
  withLane('relay', (lanes) => work(new ParkedEvents(new PostgresOutbox(lanes.lane('relay')), audit)));
