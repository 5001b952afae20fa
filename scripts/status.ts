import { Command } from 'commander';
import pc from 'picocolors';
import { isRunning, type ProcessIdentity } from '#lib/testing/stack/process-identity';
import { explainAndExit } from './explain.js';
import { parleyHome } from './home.js';
import { refuseForeignHome } from './home-owner.js';
import { isReady } from './is-ready.js';
import { type FoundState, type Origin, readState } from './state.js';
import { tableOf } from './table.js';

/** What `npm run status -- --json` prints; binding (contract.md, section 1). Empty lists when nothing runs. */
interface Status {
  readonly services: readonly { name: string; pid: number | null; url: string; ready: boolean }[];
  readonly dependencies: readonly { name: string; pid?: number; url: string; origin: Origin }[];
}

/** As init scripts have it: the program is not running. */
const EXIT_NOT_RUNNING = 3;

await new Command('status')
  .description('Shows every process of the Parley that `npm start` runs here.')
  .option('--json', 'print {services: [...], dependencies: [...]}')
  .action(async ({ json = false }: { json?: boolean }) => {
    const home = parleyHome();
    refuseForeignHome(home, 'look');
    const found = await readState(home);
    const status = await statusOf(found);
    if (json) process.stdout.write(`${JSON.stringify(status, undefined, 2)}\n`);
    else process.stdout.write(`${found === undefined ? 'Parley is not running: npm start' : asTable(found, status)}\n`);
    if (found?.supervisor === undefined) process.exitCode = EXIT_NOT_RUNNING;
  })
  .parseAsync()
  .catch(explainAndExit);

async function statusOf(found: FoundState | undefined): Promise<Status> {
  if (found === undefined) return { services: [], dependencies: [] };
  const services = found.state.services.map(async ({ name, url, process }) => {
    const pid = livePid(process) ?? null;
    return { name, pid, url, ready: pid !== null && (await isReady(url)) };
  });
  const dependencies = found.state.dependencies.map(({ name, url, origin, process }) => {
    const pid = livePid(process);
    return { name, ...(pid === undefined ? {} : { pid }), url, origin };
  });
  return { services: await Promise.all(services), dependencies };
}

function livePid(process: ProcessIdentity | undefined): number | undefined {
  return process !== undefined && isRunning(process) ? process.pid : undefined;
}

function asTable({ state, supervisor }: FoundState, { services, dependencies }: Status): string {
  const head =
    supervisor === undefined
      ? pc.red('The process that ran this Parley was killed. `npm run stop` clears up what it left, `npm start` does so and starts again.')
      : `Parley is ${state.phase} (pid ${supervisor.pid})`;
  const rows = [
    ...services.map(({ name, pid, url, ready }) => [
      name,
      pid ?? '-',
      url,
      ready ? pc.green('ready') : pc.red(pid === null ? 'down' : 'not ready'),
    ]),
    ...dependencies.map(({ name, pid, url, origin }) => [
      name,
      pid ?? '-',
      url,
      origin === 'local' && pid === undefined ? pc.red('down') : origin,
    ]),
  ];
  return `${head}\n${tableOf(['name', 'pid', 'where', 'state or origin'], rows)}`;
}
