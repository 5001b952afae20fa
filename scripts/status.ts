import { Command } from 'commander';
import pc from 'picocolors';
import { lockHolder } from '#lib/devstack/process/lock-file';
import { isRunning, type ProcessIdentity } from '#lib/devstack/process/process-identity';
import { explainAndExit } from '#lib/devstack/terminal/explain';
import { type Home, parleyHome } from '#lib/devstack/home/home';
import { findLeftovers } from '#lib/devstack/home/leftovers';
import { refuseForeignHome } from '#lib/devstack/home/home-owner';
import { isReady } from '#lib/devstack/supervisor/is-ready';
import { repeatedly } from '#lib/devstack/terminal/repeatedly';
import { NOT_RUNNING } from '#lib/devstack/home/running-stack';
import { type FoundState, type Origin, readState } from '#lib/devstack/home/state';
import { tableOf } from '#lib/devstack/terminal/table';
import { withoutLogin } from '#lib/devstack/terminal/url-login';

/** What `npm run status -- --json` prints: a promise to callers. Empty lists when nothing runs. */
interface Status {
  readonly services: readonly { name: string; pid: number | null; url: string; ready: boolean }[];
  readonly dependencies: readonly { name: string; pid?: number; url: string; origin: Origin }[];
}

/** As init scripts have it: the program is not running. */
const EXIT_NOT_RUNNING = 3;

interface Options {
  readonly json?: boolean;
  readonly showSecrets?: boolean;
  readonly watch?: boolean;
}

await new Command('status')
  .description('Shows every process of the Parley that `npm start` runs here.')
  .option('--json', 'print {services: [...], dependencies: [...]}; for programs, so with whole URLs')
  .option('--show-secrets', 'with users and passwords')
  .option('--watch', 'again every 2 s, until Ctrl-C')
  .action(async (options: Options) => {
    const home = parleyHome();
    refuseForeignHome(home, 'look');
    await repeatedly(options.watch, () => show(home, options));
  })
  .parseAsync()
  .catch(explainAndExit);

async function show(home: Home, { json = false, showSecrets = false }: Options): Promise<void> {
  const found = await readState(home);
  const status = await statusOf(found);
  if (json) print(JSON.stringify(status, undefined, 2));
  else if (found !== undefined) print(asTable(found, status, showSecrets ? undefined : home.secretsFile));
  else if ((await lockHolder(home.lockFile)) !== undefined) print('Parley is starting');
  else print(NOT_RUNNING);
  process.exitCode = found?.supervisor === undefined ? EXIT_NOT_RUNNING : 0;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function statusOf(found: FoundState | undefined): Promise<Status> {
  if (found === undefined) return { services: [], dependencies: [] };
  const services = found.state.services.map(async ({ name, url, process, lent }) => {
    const pid = livePid(process ?? (lent && (await watchedProcess(name)))) ?? null;
    return { name, pid, url, ready: pid !== null && (await isReady(url)) };
  });
  const dependencies = found.state.dependencies.map(({ name, url, origin, process }) => {
    const pid = livePid(process);
    return { name, ...(pid === undefined ? {} : { pid }), url, origin };
  });
  return { services: await Promise.all(services), dependencies };
}

/** The one that `npm run dev` runs just now. */
async function watchedProcess(name: string): Promise<ProcessIdentity | undefined> {
  const leftovers = await findLeftovers(parleyHome());
  return leftovers.find((each) => each.kind === 'service' && each.name === name)?.process;
}

function livePid(process: ProcessIdentity | undefined): number | undefined {
  return process !== undefined && isRunning(process) ? process.pid : undefined;
}

/** Without secrets when it is told where they are kept. */
function asTable({ state, supervisor }: FoundState, { services, dependencies }: Status, secretsFile: string | undefined): string {
  const head =
    supervisor === undefined
      ? pc.red('The process that ran this Parley was killed.\n`npm run stop` clears up what it left, `npm start` does so and starts again.')
      : `Parley is ${state.phase} (pid ${supervisor.pid})`;
  const lent = new Set(state.services.flatMap((each) => (each.lent === undefined ? [] : [each.name])));
  const rows = [
    ...services.map(({ name, pid, url, ready }) => [
      name,
      pid ?? '-',
      url,
      `${ready ? pc.green('ready') : pc.red(pid === null ? 'down' : 'not ready')}${lent.has(name) ? ', npm run dev' : ''}`,
    ]),
    ...dependencies.map(({ name, pid, url, origin }) => [
      name,
      pid ?? '-',
      withoutLogin(url),
      origin === 'local' && pid === undefined ? pc.red('down') : origin,
    ]),
    ...(state.managementUrl === undefined ? [] : [['RabbitMQ UI', '-', withoutLogin(state.managementUrl), '']]),
  ];
  return [
    head,
    tableOf(['name', 'pid', 'where', 'state or origin'], rows),
    // Whole and outside of the table: half a password is none.
    ...(secretsFile === undefined
      ? [...dependencies.map(({ url }) => url), ...(state.managementUrl === undefined ? [] : [state.managementUrl])]
      : [pc.dim(`Logins: --show-secrets, or ${secretsFile}`)]),
  ].join('\n');
}
