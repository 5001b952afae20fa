import { join } from 'node:path';
import type { Command } from 'commander';
import { startEmbedded } from '#lib/devstack/embedded/start-embedded';
import { stopEmbedded } from '#lib/devstack/embedded/stop-embedded';
import { parleyHome } from '#lib/devstack/home/home';
import { refuseForeignHome } from '#lib/devstack/home/home-owner';
import { projectRoot } from '#lib/devstack/project-root';
import { showStatus, type StatusOptions } from '#lib/devstack/supervisor/show-status';

interface StartOptions {
  readonly detach?: boolean;
  readonly background?: boolean;
  readonly trace?: boolean;
}

/** This command line as a file: what runs in the background is started by it. */
const AGAIN = [join(projectRoot, 'dist', 'apps', 'cli', 'src', 'main.js'), 'start'];

/** Adds `parley start|stop|status` of the installed package and the image. In the repository the npm scripts of these names have more to offer. */
export function addEmbeddedCommands(program: Command): void {
  program
    .command('start')
    .description('start Parley in this folder and stay; Ctrl-C stops it in order, a second one at once')
    .option('--detach', 'return when everything is ready; `parley stop` ends it')
    .option('--trace', 'keep the spans of every request in .parley/traces, for `parley trace <id>`')
    .option('--background', 'used by --detach: be the process in the background')
    .action((options: StartOptions) => startEmbedded({ ...options, again: AGAIN }));
  program.command('stop').description('stop the Parley of this folder, or what one that was killed left behind').action(stop);
  program
    .command('status')
    .description('what runs here; exit code 3 when nothing does')
    .option('--json', 'print {services: [...], dependencies: [...]}; for programs, so with whole URLs')
    .option('--show-secrets', 'with users and passwords')
    .option('--watch', 'again every 2 s, until Ctrl-C')
    .action((options: StatusOptions) => showStatus(parleyHome(), options));
}

async function stop(): Promise<void> {
  const home = parleyHome();
  refuseForeignHome(home, 'look');
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  const stopped = await stopEmbedded(home, say);
  if (stopped === 'nothing') say('Parley is not running.');
  else say(stopped === 'parley' ? 'Parley has stopped.' : 'Postgres, which a run that was killed had left behind, has stopped.');
}
