import { Command, InvalidArgumentError } from 'commander';
import { showConfig } from './commands/config.js';
import { addEmbeddedCommands } from './commands/embedded.js';
import { isCheckout } from '#lib/devstack/installation';
import { explainAndExit } from '#lib/devstack/terminal/explain';
import { showConsoleLink } from './commands/console.js';
import { compareVectors } from './commands/consistency.js';
import { addDeadLetterCommands } from './commands/dead-letters.js';
import { listen } from './commands/listen.js';
import { showLogs } from './commands/logs.js';
import { migrate } from './commands/migrate.js';
import { addOutboxCommands } from './commands/outbox.js';
import { addAdviseCommand } from './commands/advise.js';
import { addAlertsCommand } from './commands/alerts.js';
import { addProcessCommands } from './commands/processes.js';
import { showQueues } from './commands/queues.js';
import { addRescoreCommand } from './commands/rescore.js';
import { retire } from './commands/retire-queue.js';
import { showTrace } from './commands/trace.js';
import { makeToken } from './commands/token.js';

const WHAT_IT_IS = `Parley, a conversation backend: it stores messages, finds them again by word
and by meaning, tells them to sockets at once and scores conversations. All of
it in one process with a Postgres of its own, kept in ./.parley:

  parley start               addresses, a token, lines to paste (--detach)
  parley token --user alice  a token for the API
  parley stop                ends it, in order

Other verbs operate what runs here, or what the environment names
(DATABASE_URL, RABBITMQ_URL, ...).`;

/** The operator's command line: `npm run parley -- <verb>`. Verbs work on what the environment names, else on the Parley that `npm start` runs here. */
const program = new Command('parley')
  .description(
    isCheckout
      ? 'Operates Parley: the one that the environment names (DATABASE_URL, RABBITMQ_URL, ...), else the one that `npm start` runs here.'
      : WHAT_IT_IS,
  )
  .showHelpAfterError()
  .addHelpText(
    'after',
    isCheckout
      ? '\nAlso, with `npx parley`: start, stop, status, demo, dev, test, bench, chaos. Where --json is read by a program: `npx parley`, or `npm run --silent`.'
      : '',
  )
  .addHelpText(
    'after',
    '\nExit codes: 0 done, 1 not possible now (the message says why), 2 wrong usage, 78 configuration that cannot work.',
  )
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

if (!isCheckout) addEmbeddedCommands(program);

program
  .command('token')
  .description('mint an access token; prints nothing else on stdout')
  .requiredOption('--user <id>', 'user id (`sub`): 1-64 characters of A-Z a-z 0-9 _ . : -')
  .option('--admin', 'may use /v1/admin')
  .option('--service', 'may act for any user')
  .option('--ttl <duration>', 'lifetime, such as 30s, 15m, 1h, 7d', '1h')
  .option('--json', 'print {token, user, scope, expiresAt}')
  .action(makeToken);

program
  .command('console')
  .description('print the link that signs a user in to the console; it works for whom it is given to, until its token expires')
  .requiredOption('--user <id>', 'user id (`sub`): 1-64 characters of A-Z a-z 0-9 _ . : -')
  .option('--admin', 'opens the rooms Pipeline and Repair too')
  .option('--ttl <duration>', 'lifetime, such as 30s, 15m, 1h, 7d', '12h')
  .option('--url <url>', 'of another gateway, such as https://chat.example; tokens are signed with AUTH_JWT_SECRET')
  .option('--json', 'print {url, user, scope, expiresAt}')
  .action(showConsoleLink);

const queues = program
  .command('queues')
  .description('what waits where: ready, in work, paused for how long, dead; "?" (null in JSON) is what is not known')
  .option('--json', 'print {items, unknownQueues, publishing, others} as GET /v1/admin/queues does')
  .option('--watch', 'again every two seconds, until Ctrl-C; with --json one line each')
  .action(showQueues);

queues
  .command('retire')
  .description('unbind a queue that nothing describes any more, and delete it with its satellites when they are empty')
  .argument('<name>', 'as `parley queues` lists it')
  .option('--force', 'delete it with what it holds')
  .option('--json', 'print {unbound, deleted, left}')
  .action((name: string, options: { force?: boolean; json?: boolean }, command: Command) =>
    retire(name, { ...options, json: options.json === true || command.parent?.opts()['json'] === true }),
  );
addOutboxCommands(program);
addDeadLetterCommands(program);

program
  .command('consistency')
  .description('compare messages, ledger and vectors now; exit code 1 when something is out of step')
  .option('--repair', 'have vectors made anew where they are out of step, and remove those of unknown messages')
  .option('--json', 'print the run as GET /v1/admin/consistency does')
  .action(compareVectors);
addRescoreCommand(program);
addProcessCommands(program);
addAdviseCommand(program);
addAlertsCommand(program);

program
  .command('config')
  .description('the configuration as services see it, secrets hidden')
  .option('--json', 'print {name: {value, from}}')
  .action(showConfig);

program
  .command('migrate')
  .description('bring the database schema up to date; safe to repeat, waits up to 30 s for Postgres')
  .option('--json', 'print {migrations: [...]}')
  .action(migrate);

program
  .command('logs')
  .description('what the services wrote, in the order of time; also after a stop')
  .argument('[service]', 'only of this one, such as gateway')
  .option('--request <id>', 'only lines that name this request, trace, conversation, message or event, as far back as there are any')
  .option('--lines <n>', 'the last so many', wholeNumber, 50)
  .option('--follow', 'and those that come, until Ctrl-C')
  .option('--json', 'as they were written, one JSON object per line')
  .action(showLogs);

program
  .command('trace')
  .description('the way of one message with its times, from logs and tables, also after the fact')
  .argument('<id>', 'of its request (X-Request-Id), of the message, of its trace, or of the event of an ended conversation')
  .option('--json', 'print {traceIds, requestIds, messageIds, steps, missing}')
  .action(showTrace);

program
  .command('listen')
  .description('what a device of a user hears over the WebSocket, frame by frame, until Ctrl-C')
  .requiredOption('--user <id>', 'whose device to be')
  .option('--process <name>', 'the realtime process to connect to, such as realtime-2; default: the first')
  .option('--url <url>', 'a realtime service elsewhere, such as wss://chat.example; tokens are signed with AUTH_JWT_SECRET')
  .option('--json', 'every frame as it came, one JSON object per line')
  .action(listen);

program
  .command('doctor')
  .description('look for what keeps Parley from starting or working, and say what to do; exit code 1 when something does')
  .option('--json', 'print {checks: [{name, level, says, toDo}]}')
  .action(async (options: { json?: boolean }) => (await import('./doctor/doctor.js')).examine(options));

program
  .command('reset')
  .description('stop Parley and remove its data, secrets and logs')
  .option('--yes', 'do not ask')
  .option('--json', 'print {removed: [...]}')
  .action(async (options: { yes?: boolean; json?: boolean }) => (await import('./commands/reset.js')).reset(options));

await program.parseAsync().catch(explainAndExit);

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('must be a whole number from 1 on');
  return Number(text);
}
