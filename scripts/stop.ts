import { Command } from 'commander';
import { explainAndExit } from '#lib/devstack/terminal/explain';
import { type Home, parleyHome } from '#lib/devstack/home/home';
import { refuseForeignHome } from '#lib/devstack/home/home-owner';
import { stopEmbedded } from '#lib/devstack/embedded/stop-embedded';
import { stopStack } from '#lib/devstack/supervisor/stop-stack';

await new Command('stop')
  .description('Stops the Parley that `npm start` runs here, services first, and whatever an earlier run left behind.')
  .action(() => stop(parleyHome()))
  .parseAsync()
  .catch(explainAndExit);

async function stop(home: Home): Promise<void> {
  refuseForeignHome(home, 'look');
  const embedded = await stopEmbedded(home, say);
  const { wasRunning: wasStack, leftovers: left } = await stopStack(home, say);
  const wasRunning = wasStack || embedded === 'parley';
  const leftovers = embedded === 'orphan' ? [...left, 'postgres'] : left;
  if (!wasRunning && leftovers.length === 0) say('Parley is not running.');
  else say(`Parley has stopped${leftovers.length === 0 ? '' : ` (and ${leftovers.join(', ')}, left behind by a run that was killed)`}.`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
