import { Command } from 'commander';
import { showConfig } from './parley/config.js';
import { explainAndExit } from './explain.js';
import { compareVectors } from './parley/consistency.js';
import { addDeadLetterCommands } from './parley/dead-letters.js';
import { migrate } from './parley/migrate.js';
import { addProcessCommands } from './parley/processes.js';
import { showQueues } from './parley/queues.js';
import { makeToken } from './parley/token.js';

/** The operator's command line: `npm run parley -- <verb>`. Verbs work on what the environment names, else on the Parley that `npm start` runs here. */
const program = new Command('parley')
  .description(
    'Operates Parley: the one that the environment names (DATABASE_URL, RABBITMQ_URL, ...), else the one that `npm start` runs here.',
  )
  .showHelpAfterError()
  .addHelpText(
    'after',
    '\nExit codes: 0 done, 1 not possible now (the message says why), 2 wrong usage, 78 configuration that cannot work.',
  )
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

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
  .command('queues')
  .description('what waits where: ready, in work, dead; "?" (null in JSON) is what nobody could tell')
  .option('--json', 'print {items: [...]} as GET /v1/admin/queues does')
  .action(showQueues);

addDeadLetterCommands(program);

program
  .command('consistency')
  .description('compare messages, ledger and vectors now; exit code 1 when something is out of step')
  .option('--repair', 'have vectors made anew where they are out of step, and remove those of unknown messages')
  .option('--json', 'print the run as GET /v1/admin/consistency does')
  .action(compareVectors);
addProcessCommands(program);

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

await program.parseAsync().catch(explainAndExit);
