import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ComposeProject, composeProjectOf } from '../provisioning/docker-engine.js';
import { dropLock, lockHolder, takeLock } from '../process/lock-file.js';
import { isRunning, signal } from '../process/process-identity.js';
import { Explained } from '../terminal/explain.js';
import type { Home } from '../home/home.js';
import { findLeftovers, type Leftover, stopLeftovers } from '../home/leftovers.js';
import { type FoundState, readState, removeState } from '../home/state.js';

/** The longest drain of a service, the longest stop of a server, and some. */
const STOPPED_WITHIN_MS = 120_000;
const TELL_EVERY_MS = 5_000;

/** What there was to stop. */
export interface Stopped {
  readonly wasRunning: boolean;
  /** Names of what a run that was killed had left behind. */
  readonly leftovers: readonly string[];
}

/** Stops the Parley of this home, services first, and what an earlier run left behind. @throws Explained when it takes more than 2 minutes. */
export async function stopStack(home: Home, tell: (line: string) => void): Promise<Stopped> {
  const supervisor = await lockHolder(home.lockFile);
  const before = await readState(home);
  if (supervisor !== undefined) {
    signal(supervisor.pid, 'SIGTERM');
    const startedAt = performance.now();
    for (let told = startedAt; isRunning(supervisor); await sleep(50)) {
      if (performance.now() - startedAt > STOPPED_WITHIN_MS)
        throw new Explained(`Parley (pid ${supervisor.pid}) is still stopping; see ${home.logs}/parley.log`);
      if (performance.now() - told < TELL_EVERY_MS) continue;
      told = performance.now();
      tell(`stopping ... ${Math.round((told - startedAt) / 1_000)} s`);
    }
  }
  const leftovers = await clearUp(home, { hadContainers: supervisor === undefined && isContained(before) });
  return { wasRunning: supervisor !== undefined, leftovers: leftovers.map(({ name }) => name) };
}

/** Under the lock: what a start that has just begun runs is nothing that was left behind. It clears up itself. */
async function clearUp(home: Home, { hadContainers }: { readonly hadContainers: boolean }): Promise<readonly Leftover[]> {
  if (!existsSync(home.folder) || !(await takeLock(home.lockFile).catch(isNoObstacle))) return [];
  const leftovers = await findLeftovers(home);
  await stopLeftovers(leftovers);
  if (hadContainers) await new ComposeProject(composeProjectOf(home.folder), {}).down();
  await removeState(home);
  await dropLock(home.lockFile);
  return leftovers;
}

/** A full disk, or one that takes no writes any more, must not keep servers from being stopped. */
const isNoObstacle = () => true;

const isContained = (found: FoundState | undefined): boolean =>
  found?.state.dependencies.some(({ origin }) => origin === 'docker') === true;
