import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { type BorrowedService, borrowService } from '#lib/devstack/dev/borrowed-service';
import { compile } from '#lib/devstack/dev/compile';
import { DEBUG_SETTINGS, runWatched } from '#lib/devstack/dev/watched-service';
import { parleyHome } from '#lib/devstack/home/home';
import { refuseForeignHome } from '#lib/devstack/home/home-owner';
import { isPortFree } from '#lib/devstack/ports/free-ports';
import { projectRoot } from '#lib/devstack/project-root';
import { possibleServices } from '#lib/devstack/services';
import { Terminal } from '#lib/devstack/supervisor/terminal';
import { Explained, explainAndExit } from '#lib/devstack/terminal/explain';

/** What Node takes too, so that editors look there. */
const INSPECT_PORT = 9_229;
const PORTS_TRIED = 20;

await new Command('dev')
  .description('Runs one service of the running `npm start` in watch mode with a debugger, on its port and with its settings.')
  .argument(
    '<service>',
    possibleServices
      .filter(({ name }) => !/-[2-9]$/.test(name))
      .map(({ name }) => name)
      .join(', '),
  )
  .option('--inspect <port>', 'port of the debugger on 127.0.0.1 (default: the first free one from 9229 on)', port)
  .addHelpText('after', '\nCtrl-C gives the service back to `npm start`.')
  .action(dev)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parseAsync()
  .catch(explainAndExit);

async function dev(name: string, { inspect }: { inspect?: number }): Promise<void> {
  const app = possibleServices.find((row) => row.name === name)?.app ?? name;
  const home = parleyHome();
  refuseForeignHome(home, 'start');
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort());
  const terminal = new Terminal(home, false);
  const service = await borrowService(home, name, { tell: (line) => terminal.say(line), cancelled: stopping.signal });
  void service.recalled.then(() => stopping.abort());
  try {
    const inspectPort = inspect ?? (await freeInspectPort());
    for (const line of explanation(service, app, inspectPort)) terminal.say(line);
    await runWatched(
      {
        home,
        app,
        service,
        entry: join(projectRoot, 'dist', 'apps', app, 'src', 'main.js'),
        inspectPort,
        sources: [join(projectRoot, 'apps', app), join(projectRoot, 'libs')],
        compile,
        terminal,
      },
      stopping.signal,
    );
  } finally {
    terminal.say(`giving ${name} back to npm start`);
    terminal.say(
      (await service.giveBack())
        ? `npm start runs ${name} again`
        : `Parley does not run any more, cannot start ${name}, or another npm run dev has it: npm run status`,
    );
    terminal.flush();
  }
  process.exit(0);
}

function explanation({ name, url }: BorrowedService, app: string, inspectPort: number): string[] {
  const differing = Object.entries(DEBUG_SETTINGS).map(([setting, value]) => `${setting}=${value}`);
  return [
    `${name} is yours: at ${url}, with the settings that npm start gave it, but ${differing.join(' and ')}, so that a breakpoint is no hang`,
    `debugger: 127.0.0.1:${inspectPort} (chrome://inspect, or "attach to Node" in an editor)`,
    `a change below apps/${app} or libs restarts it once it compiles; Ctrl-C gives it back`,
  ];
}

async function freeInspectPort(): Promise<number> {
  for (let candidate = INSPECT_PORT; candidate < INSPECT_PORT + PORTS_TRIED; candidate++) if (await isPortFree(candidate)) return candidate;
  throw new Explained(`no free port for the debugger from ${INSPECT_PORT} on: name one with --inspect`);
}

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65_535) throw new InvalidArgumentError('must be a port, 1-65535');
  return value;
}
