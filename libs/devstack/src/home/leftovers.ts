import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fromPidFile, goneWithin, isRunning, leftBehindBy, type ProcessIdentity, signal } from '../process/process-identity.js';
import { dropLock } from '../process/lock-file.js';
import type { Home } from './home.js';
import { removeState } from './state.js';

const SERVICE_GRACE_MS = 10_000;
const DEPENDENCY_GRACE_MS = 20_000;

/** A process that a supervisor left behind when it was killed itself. */
export interface Leftover {
  readonly name: string;
  readonly kind: 'service' | 'dependency';
  readonly process: ProcessIdentity;
  readonly pidFile: string;
}

/** The folder of the services' pid files; the dependencies have theirs beside their data. */
export function serviceRunFolder(home: Home): string {
  return join(home.folder, 'run');
}

/** What still runs without a supervisor, by pid and start time, so that a later process with the same pid is safe. */
export async function findLeftovers(home: Home): Promise<Leftover[]> {
  return [...(await pidFilesIn(serviceRunFolder(home), 'service')), ...(await pidFilesIn(home.dependencies, 'dependency'))].filter(
    ({ process }) => isRunning(process) || leftBehindBy(process).length > 0,
  );
}

/** Ends them in the order in which a supervisor would: services, then what they stand on. */
export async function stopLeftovers(leftovers: readonly Leftover[]): Promise<void> {
  await stopKind(leftovers, 'service', SERVICE_GRACE_MS);
  await stopKind(leftovers, 'dependency', DEPENDENCY_GRACE_MS);
  await Promise.all(leftovers.map(({ pidFile }) => rm(pidFile, { force: true })));
}

async function stopKind(leftovers: readonly Leftover[], kind: Leftover['kind'], graceMs: number): Promise<void> {
  const chosen = leftovers.filter((each) => each.kind === kind);
  const leaders = chosen.map(({ process }) => process).filter(isRunning);
  // SIGINT is Postgres' way of not waiting for clients; CONT, because one that was paused hears nothing else.
  for (const { name, process } of chosen) if (isRunning(process)) signal(process.pid, name === 'postgres' ? 'SIGINT' : 'SIGTERM');
  for (const { pid } of leaders) signal(pid, 'SIGCONT');
  if (!(await goneWithin(graceMs, leaders))) for (const each of leaders.filter(isRunning)) signal(each.pid, 'SIGKILL');
  for (const stray of chosen.flatMap(({ process }) => leftBehindBy(process))) signal(stray.pid, 'SIGKILL');
}

async function pidFilesIn(folder: string, kind: Leftover['kind']): Promise<Leftover[]> {
  const names = await readdir(folder).catch(() => []);
  const found = names
    .filter((name) => name.endsWith('.pid'))
    .map(async (name): Promise<Leftover[]> => {
      const pidFile = join(folder, name);
      const process = fromPidFile(await readFile(pidFile, 'utf8').catch(() => ''));
      return process === undefined ? [] : [{ name: name.slice(0, -'.pid'.length), kind, process, pidFile }];
    });
  return (await Promise.all(found)).flat();
}

/** Kills all that runs in this home, at once and without order; its data survives that. */
export async function killLeftovers(home: Home): Promise<void> {
  const leftovers = await findLeftovers(home);
  for (const { process } of leftovers) {
    if (isRunning(process)) signal(-process.pid, 'SIGKILL');
    for (const stray of leftBehindBy(process)) signal(stray.pid, 'SIGKILL');
  }
  await Promise.all(leftovers.map(({ pidFile }) => rm(pidFile, { force: true })));
  await removeState(home);
  await dropLock(home.lockFile);
}
