import { Command } from 'commander';
import { parleyHome } from '#lib/devstack/home/home';
import { showStatus, type StatusOptions } from '#lib/devstack/supervisor/show-status';
import { explainAndExit } from '#lib/devstack/terminal/explain';

await new Command('status')
  .description('Shows every process of the Parley that `npm start` runs here.')
  .option('--json', 'print {services: [...], dependencies: [...]}; for programs, so with whole URLs')
  .option('--show-secrets', 'with users and passwords')
  .option('--watch', 'again every 2 s, until Ctrl-C')
  .action((options: StatusOptions) => showStatus(parleyHome(), options))
  .parseAsync()
  .catch(explainAndExit);
