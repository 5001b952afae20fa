import { existsSync } from 'node:fs';
import pc from 'picocolors';
import type { ProcessIdentity } from '../process/process-identity.js';
import { HomeLock } from '../embedded/home-lock.js';
import type { Home } from '../home/home.js';
import { refuseForeignHome } from '../home/home-owner.js';
import { NOT_RUNNING } from '../home/running-stack.js';
import { type FoundState, type Origin, readState } from '../home/state.js';
import { commandFor } from '../installation.js';
import { repeatedly } from '../terminal/repeatedly.js';
import { tableOf } from '../terminal/table.js';
import { withoutLogin } from '../terminal/url-login.js';
import { isReady } from './is-ready.js';

/** What `npm run status -- --json` prints: a promise to callers. Empty lists when nothing runs. */
interface Status {
  readonly services: readonly { name: string; pid: number | null; url: string; ready: boolean }[];
  readonly dependencies: readonly { name: string; pid?: number; url: string; origin: Origin }[];
}

/** As init scripts have it: the program is not running. */
const EXIT_NOT_RUNNING = 3;

/** How to show it. */
export interface StatusOptions {
  readonly json?: boolean;
  readonly showSecrets?: boolean;
  readonly watch?: boolean;
}

/** `npm run status`, `parley status`: every process of the Parley that runs in this home. Exit code 3 when none does. */
export async function showStatus(home: Home, options: StatusOptions): Promise<void> {
  refuseForeignHome(home, 'look');
  await repeatedly(options.watch, () => show(home, options));
}

async function show(home: Home, { json = false, showSecrets = false }: StatusOptions): Promise<void> {
  const found = await readState(home);
  const status = await statusOf(home, found);
  if (json) print(JSON.stringify(status, undefined, 2));
  else if (found !== undefined) print(asTable(found, status, showSecrets ? undefined : home.secretsFile));
  else if (await isStarting(home)) print('Parley is starting');
  else print(NOT_RUNNING);
  process.exitCode = found?.supervisor === undefined ? EXIT_NOT_RUNNING : 0;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function isStarting(home: Home): Promise<boolean> {
  if (HomeLock.isClaimed(home.embeddedLock)) return true;
  if (!existsSync(home.lockFile)) return false;
  const { lockHolder } = await import('../process/lock-file.js');
  return (await lockHolder(home.lockFile)) !== undefined;
}

async function statusOf(home: Home, found: FoundState | undefined): Promise<Status> {
  if (found === undefined) return { services: [], dependencies: [] };
  const { livePid, watchedProcess } = found.state.embedded === undefined ? await import('./live-pid.js') : ofOneProcess(found);
  const services = found.state.services.map(async ({ name, url, process, lent }) => {
    const pid = livePid(process ?? (lent && (await watchedProcess(home, name)))) ?? null;
    return { name, pid, url, ready: pid !== null && (await isReady(url)) };
  });
  const dependencies = found.state.dependencies.map(({ name, url, origin, process }) => {
    const pid = livePid(process);
    return { name, ...(pid === undefined ? {} : { pid }), url, origin };
  });
  return { services: await Promise.all(services), dependencies };
}

/** Its record is right as long as the process that writes it lives. */
function ofOneProcess({ supervisor }: FoundState) {
  return {
    livePid: (process: ProcessIdentity | undefined) => (supervisor === undefined ? undefined : process?.pid),
    watchedProcess: () => Promise.resolve(undefined),
  };
}

/** Without secrets when it is told where they are kept. */
function asTable({ state, supervisor }: FoundState, { services, dependencies }: Status, secretsFile: string | undefined): string {
  const head =
    supervisor === undefined
      ? pc.red(
          `The process that ran this Parley was killed.\n\`${commandFor('stop')}\` clears up what it left, \`${commandFor('start')}\` does so and starts again.`,
        )
      : `Parley is ${state.phase} (pid ${supervisor.pid}${state.embedded === undefined ? '' : ', embedded mode: one process'})`;
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
      (origin === 'local' || origin === 'embedded') && pid === undefined ? pc.red('down') : origin,
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
