import { mkdirSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { startEmbedded } from '#lib/devstack/embedded/start-embedded';
import { type Home, parleyHome } from '#lib/devstack/home/home';
import { refuseForeignHome } from '#lib/devstack/home/home-owner';
import { killLeftovers } from '#lib/devstack/home/leftovers';
import { MOST_REALTIME, type Processes, withRealtime } from '#lib/devstack/services';
import { refuseBadEnvironment } from '#lib/devstack/supervisor/check-environment';
import { runStack, startDetached } from '#lib/devstack/supervisor/run-stack';
import { Supervisor } from '#lib/devstack/supervisor/supervisor';
import { Terminal } from '#lib/devstack/supervisor/terminal';
import { whyEmbedded } from '#lib/devstack/supervisor/why-embedded';
import { Explained, explainAndExit } from '#lib/devstack/terminal/explain';

const program = new Command('start')
  .description('Starts Parley with all that it needs and stays in the foreground; Ctrl-C stops it in order, a second one at once.')
  .option('--detach', 'return when everything is ready; `npm run stop` ends it')
  .option('--embedded', 'all of Parley in one process with a Postgres of its own; no RabbitMQ, Redis or Chroma (docs/operate/embedded.md)')
  .option('--realtime <n>', `so many realtime processes, 1-${MOST_REALTIME}`, howManyRealtime, 1)
  .option('--trace', 'keep the spans of every request in .parley/traces, for `npm run parley -- trace <id>`')
  .option('--background', 'used by --detach: be the process in the background');

interface Options {
  readonly detach?: boolean;
  readonly background?: boolean;
  readonly embedded?: boolean;
  readonly realtime: number;
  readonly trace?: boolean;
}

program.action(async ({ detach = false, background = false, embedded = false, realtime, trace = false }: Options) => {
  const reason = embedded ? undefined : await whyEmbedded(process.env);
  if (embedded || reason !== undefined) {
    if (realtime !== 1) throw new Explained('--realtime: the embedded mode is one process', 2);
    return startEmbedded({
      detach,
      background,
      trace,
      again: [import.meta.filename, '--embedded'],
      ...(reason === undefined ? {} : { reason }),
    });
  }
  const processes = withRealtime(realtime);
  refuseBadEnvironment(processes.services, process.env);
  const home = parleyHome();
  refuseForeignHome(home, 'start');
  mkdirSync(home.folder, { recursive: true, mode: 0o711 }); // Postgres runs as another user when we are root and must pass through
  const again = [import.meta.filename, '--background', '--realtime', String(realtime), ...(trace ? ['--trace'] : [])];
  if (detach) await startDetached(home, again);
  else run(home, processes, { isBackground: background, keepsTraces: trace });
});

await program.parseAsync().catch(explainAndExit);

function howManyRealtime(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > MOST_REALTIME) {
    throw new InvalidArgumentError(`must be a whole number from 1 to ${MOST_REALTIME}`);
  }
  return count;
}

function run(
  home: Home,
  processes: Processes,
  { isBackground, keepsTraces }: { readonly isBackground: boolean; readonly keepsTraces: boolean },
): void {
  const terminal = new Terminal(home, isBackground);
  const supervisor = new Supervisor(home, processes, process.env, terminal, { keepsTraces });
  runStack({ start: () => supervisor.start(), stop: () => supervisor.stop(), kill: () => killLeftovers(home) }, { terminal, isBackground });
}
