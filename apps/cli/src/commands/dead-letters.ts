import { InvalidArgumentError, type Command } from 'commander';
import pc from 'picocolors';
import { RabbitDeadLetters } from '#lib/bus/adapters/rabbitmq/rabbit-dead-letters';
import { RabbitPublisher } from '#lib/bus/adapters/rabbitmq/rabbit-publisher';
import { DeadLetters } from '#lib/bus/dead-letters/dead-letters';
import { inSlices } from '#lib/bus/dead-letters/in-slices';
import { type DeadLetter, DeadLetterOrder, type DeadLetterOutcome, DeadLetterQuery } from '#lib/contracts/admin';
import { pipeline } from '#lib/contracts/pipeline';
import { ProblemError } from '#lib/contracts/problems';
import { DependencyError } from '#lib/resilience/call/errors';
import type { Logger } from '#lib/runtime/log/logger';
import { Explained } from '#lib/devstack/terminal/explain';
import { confirm } from '../operator/confirm.js';
import { gatewayDeadLetters } from '../operator/gateway-dead-letters.js';
import { inOneProcess } from '../operator/in-one-process.js';
import { APP, operatorName } from '../operator/identity.js';
import { silentLog, withAuditLog } from '../operator/logs.js';
import { operatorConfig } from '../operator/operator-config.js';
import { ago, shortened } from '../output/cells.js';
import { printJson } from '../output/print-json.js';
import { printable } from '../output/printable.js';

interface Filter {
  readonly type?: string;
  readonly errorClass?: string;
  readonly conversation?: string;
  readonly text?: string;
}
interface ListOptions extends Filter {
  readonly queue?: string;
  readonly limit: number;
  readonly json?: boolean;
}
interface OrderOptions extends Filter {
  readonly queue?: string;
  readonly all?: boolean;
  readonly rate?: number;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly watch?: number;
  readonly yes?: boolean;
  readonly json?: boolean;
}

type Verb = 'list' | 'find' | 'replay' | 'discard';

/** Letters are in hand for no longer than this at a time; a longer replay goes on with the next slice. RabbitMQ takes them back after 30 min. */
const SLICE_MS = 60_000;

/**
 * Adds `parley dlq list|show|replay|discard`. They talk to RabbitMQ itself: dead letters are looked at when things are down. Where all is one
 * process, they ask that.
 */
export function addDeadLetterCommands(program: Command): void {
  const dlq = program.command('dlq').description('dead letters: events that were given up on after all their attempts');
  const filtered = (command: Command) =>
    command
      .option('--type <type>', 'only events of this type, e.g. message.created')
      .option('--error-class <name>', 'only those that failed with this error')
      .option('--conversation <id>', 'only those of this conversation')
      .option('--text <text>', 'only those with this in their id, error or payload');

  const ordering = (command: Command) =>
    filtered(command)
      .argument('[ids...]', 'event ids; or --all')
      .option('--all', 'all that match')
      .option('--queue <name>', 'work queue')
      .option('--rate <n>', 'so many per second', decimal)
      .option('--dry-run', 'say what would be done');

  filtered(dlq.command('list'))
    .description('what is there, oldest first')
    .option('--queue <name>', 'only of this work queue')
    .option('--limit <n>', 'at most so many', wholeNumber, 50)
    .option('--json', 'print {items, isComplete} as GET /v1/admin/dead-letters does')
    .action(list);
  dlq
    .command('show')
    .description('one of them with what it carries')
    .argument('<id>', 'event id')
    .option('--queue <name>', 'look only there')
    .option('--json', 'print it as GET /v1/admin/dead-letters/{id} does')
    .action(show);
  ordering(dlq.command('replay'))
    .description('send them back to the queue that gave up on them, with their id and from the first attempt on')
    .option('--watch <seconds>', 'look so long whether they die again, at most 15; 0 = do not look', seconds, 3)
    .option('--force', 'also what was replayed three times already')
    .option('--json', 'print what became of them')
    .action((ids: string[], options: OrderOptions) => carryOut('replay', ids, options));
  ordering(dlq.command('discard'))
    .description('remove them for good')
    .option('--yes', 'do not ask')
    .option('--json', 'print what became of them')
    .action((ids: string[], options: OrderOptions) => carryOut('discard', ids, options));
}

async function list({ conversation, json = false, ...options }: ListOptions): Promise<void> {
  const query = DeadLetterQuery.safeParse({
    ...withoutJson(options),
    ...(conversation === undefined ? {} : { conversationId: conversation }),
  });
  if (!query.success) throw new Explained(query.error.issues.map(({ path, message }) => `--${path.join('.')} ${message}`).join('\n'), 2);
  const page = await withDeadLetters(silentLog(), (deadLetters) => deadLetters.list(query.data));
  if (json) return printJson(page);
  console.log(page.items.length === 0 ? 'no dead letters' : linesOf(page.items));
  if (!page.isComplete) console.log(`there are more: raise --limit (now ${options.limit})`);
}

async function show(id: string, { queue, json = false }: { queue?: string; json?: boolean }): Promise<void> {
  const letter = await withDeadLetters(silentLog(), (deadLetters) => deadLetters.find(id, queue));
  if (letter === undefined) throw new Explained(`there is no dead letter ${id}; \`npx parley dlq list\` shows those that there are`);
  if (json) return printJson(letter);
  const { payload, payloadEncoding, headers: _, ...facts } = letter;
  for (const [name, value] of Object.entries(facts)) {
    console.log(`${pc.bold(name.padEnd(15))} ${value === null ? pc.dim('not known') : printable(String(value))}`);
  }
  console.log(`${pc.bold('payload')} (${payloadEncoding})`);
  console.log(printable(payloadEncoding === 'json' ? JSON.stringify(payload, undefined, 2) : String(payload)));
}

async function carryOut(deed: 'replay' | 'discard', ids: string[], options: OrderOptions): Promise<void> {
  const order = orderFrom(ids, options);
  if (deed === 'discard' && !order.dryRun && options.yes !== true) await confirm(`removes ${selected(order)} for good`);
  const outcome = await withAuditLog((audit) =>
    withDeadLetters(audit, (deadLetters) =>
      inSlices(order, (slice, pacer) => deadLetters[deed](slice, operatorName(), pacer), tellProgress),
    ),
  );
  if (options.json === true) printJson(outcome);
  else report(deed, outcome);
  if (outcome.stoppedBy !== null) throw new Explained(`stopped, ${outcome.remaining} left: ${outcome.stoppedBy}`);
  if (outcome.notFound.length > 0) throw new Explained(`not there: ${outcome.notFound.join(', ')}`);
}

function orderFrom(
  ids: string[],
  { queue, all, rate, dryRun, force, watch, type, errorClass, conversation, text }: OrderOptions,
): DeadLetterOrder {
  const given = {
    queue: queue ?? onlyQueue(),
    ids: ids.length === 0 ? undefined : ids,
    all,
    type,
    errorClass,
    conversationId: conversation,
    text,
    ratePerSecond: rate,
    watchSeconds: watch,
    dryRun,
    force,
  };
  const order = DeadLetterOrder.safeParse(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
  if (order.success) return order.data;
  const isNothingMeant = ids.length === 0 && all === undefined;
  const problems = order.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`.trim());
  throw new Explained(isNothingMeant ? 'name the event ids, or say --all' : problems.join('\n'), 2);
}

function onlyQueue(): string {
  const [queue, ...others] = Object.keys(pipeline);
  if (queue === undefined || others.length > 0) throw new Explained(`say which queue: --queue ${[queue, ...others].join(' | ')}`, 2);
  return queue;
}

const tellProgress = ({ done, remaining }: DeadLetterOutcome): void =>
  void process.stderr.write(`${done} done, at most ${remaining} to go\n`);

const selected = ({ queue, ids, all }: DeadLetterOrder): string =>
  all === true ? `all dead letters of ${queue} that match` : `${ids?.length} dead letters of ${queue}`;

function report(deed: 'replay' | 'discard', { dryRun, done, items, refused, refusedCount, diedAgain }: DeadLetterOutcome): void {
  if (items.length > 0) console.log(linesOf(items));
  const verb = deed === 'replay' ? 'replayed' : 'discarded';
  console.log(dryRun ? `${done} would be ${verb}` : pc.green(`${done} ${verb}`));
  if (diedAgain !== null && diedAgain.length > 0) {
    console.log(pc.red(`${diedAgain.length} died again: \`parley dlq show <id>\` says of what`));
    for (const id of diedAgain) console.log(`  ${printable(id)}`);
  }
  if (refusedCount === 0) return;
  console.log(pc.yellow(`${refusedCount} left where they are:`));
  for (const { id, reason } of refused) console.log(`  ${printable(id)}\n    ${reason}`);
}

/** Three lines for each, so that an id is whole and the reason can be read in 80 columns. */
const linesOf = (letters: readonly DeadLetter[]): string =>
  letters
    .map(({ id, queue, type, errorClass, error, attempts, replays, lastFailedAt }) => {
      const again = replays === 0 ? '' : `, ${pc.yellow(`died again after ${replays} ${replays === 1 ? 'replay' : 'replays'}`)}`;
      const when = lastFailedAt === null ? '' : ` ${ago(lastFailedAt)} ago`;
      const reason = printable(shortened(`${errorClass ?? '?'}: ${error ?? '?'}`, MAX_REASON));
      return `${pc.bold(printable(id))}  ${printable(type)}  ${queue}\n  ${attempts ?? '?'} tries${when}${again}\n  ${pc.red(reason)}`;
    })
    .join('\n');

const MAX_REASON = 78;

async function withDeadLetters<T>(audit: Logger, work: (deadLetters: Pick<DeadLetters, Verb>) => Promise<T>): Promise<T> {
  if (await inOneProcess()) return work(gatewayDeadLetters);
  const {
    RABBITMQ_URL: url,
    BUS_CONFIRM_WINDOW: window,
    BUS_PUBLISH_TIMEOUT_MS: confirmTimeoutMs,
    BUS_HEARTBEAT_S: heartbeatS,
  } = await operatorConfig();
  const logger = silentLog();
  const publisher = new RabbitPublisher({ url, app: APP, window, confirmTimeoutMs, heartbeatS, logger });
  await publisher.start();
  const port = new RabbitDeadLetters({ url, app: APP, heartbeatS, publisher, logger });
  try {
    return await work(new DeadLetters(port, audit, SLICE_MS));
  } catch (error) {
    if (error instanceof ProblemError) throw new Explained(error.detail);
    if (!(error instanceof DependencyError)) throw error;
    const { host } = new URL(url);
    if (error.kind === 'overloaded') throw new Explained('another command has the dead letters in hand: try again in a moment');
    throw new Explained(`RabbitMQ at ${host} does not answer: is it running?`);
  } finally {
    await publisher.stop();
  }
}

const withoutJson = ({ type, errorClass, text, queue, limit }: Partial<ListOptions>) =>
  Object.fromEntries(Object.entries({ type, errorClass, text, queue, limit }).filter(([, value]) => value !== undefined));

function wholeNumber(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('must be a whole number from 1 on');
  return Number(text);
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value <= 15)) throw new InvalidArgumentError('must be a number from 0 to 15');
  return value;
}

function decimal(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('must be a number above 0');
  return value;
}
