import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { dropLock } from '#lib/testing/stack/lock-file';
import { isRunning, signal } from '#lib/testing/stack/process-identity';
import { composeProjectOf, ComposeProject } from '#lib/testing/stack/docker-engine';
import { lockHolder } from '#lib/testing/stack/lock-file';
import { Explained, explainAndExit } from './explain.js';
import { type Home, parleyHome } from './home.js';
import { refuseForeignHome } from './home-owner.js';
import { findLeftovers, stopLeftovers } from './leftovers.js';
import { readState, removeState } from './state.js';

/** The longest drain of a service, the longest stop of a server, and some. */
const STOPPED_WITHIN_MS = 120_000;
const TELL_EVERY_MS = 5_000;

await new Command('stop')
  .description('Stops the Parley that `npm start` runs here, services first, and whatever an earlier run left behind.')
  .action(() => stop(parleyHome()))
  .parseAsync()
  .catch(explainAndExit);

async function stop(home: Home): Promise<void> {
  refuseForeignHome(home, 'look');
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
      process.stdout.write(`stopping ... ${Math.round((told - startedAt) / 1_000)} s\n`);
    }
  }
  const leftovers = await findLeftovers(home);
  await stopLeftovers(leftovers);
  if (supervisor === undefined && before?.state.dependencies.some(({ origin }) => origin === 'docker'))
    await new ComposeProject(composeProjectOf(home.folder), {}).down();
  await removeState(home);
  await dropLock(home.lockFile);
  if (supervisor === undefined && leftovers.length === 0) process.stdout.write('Parley is not running.\n');
  else
    process.stdout.write(
      `Parley has stopped${leftovers.length === 0 ? '' : ` (and ${leftovers.map(({ name }) => name).join(', ')}, left behind by a run that was killed)`}.\n`,
    );
}
