import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import pc from 'picocolors';
import { signal } from '#lib/devstack/process/process-identity';
import { refuseBadEnvironment } from '#lib/devstack/supervisor/check-environment';
import { Explained, explainAndExit } from '#lib/devstack/terminal/explain';
import { type Home, parleyHome } from '#lib/devstack/home/home';
import { refuseForeignHome } from '#lib/devstack/home/home-owner';
import { killLeftovers } from '#lib/devstack/home/leftovers';
import { MOST_REALTIME, type Processes, withRealtime } from '#lib/devstack/services';
import { isReady } from '#lib/devstack/supervisor/is-ready';
import { readState } from '#lib/devstack/home/state';
import { Supervisor } from '#lib/devstack/supervisor/supervisor';
import { Terminal } from '#lib/devstack/supervisor/terminal';
import { welcome } from './welcome.js';

/** From nothing, with images or packages to fetch; a start that takes longer has got stuck. */
const DETACHED_READY_WITHIN_MS = 900_000;
/** One Ctrl-C may arrive three times: from the terminal, from npm, from bootstrap.mjs. */
const SAME_SIGNAL_MS = 1_000;

const program = new Command('start')
  .description('Starts Parley with all that it needs and stays in the foreground; Ctrl-C stops it in order, a second one at once.')
  .option('--detach', 'return when everything is ready; `npm run stop` ends it')
  .option('--realtime <n>', `so many realtime processes, 1-${MOST_REALTIME}`, howManyRealtime, 1)
  .option('--trace', 'keep the spans of every request in .parley/traces, for `npm run parley -- trace <id>`')
  .option('--background', 'used by --detach: be the process in the background');

interface Options {
  readonly detach?: boolean;
  readonly background?: boolean;
  readonly realtime: number;
  readonly trace?: boolean;
}

program.action(async ({ detach = false, background = false, realtime, trace = false }: Options) => {
  const processes = withRealtime(realtime);
  refuseBadEnvironment(processes.services, process.env);
  const home = parleyHome();
  refuseForeignHome(home, 'start');
  mkdirSync(home.folder, { recursive: true, mode: 0o711 }); // Postgres runs as another user when we are root and must pass through
  if (detach) await startDetached(home, ['--realtime', String(realtime), ...(trace ? ['--trace'] : [])]);
  else await run(home, processes, { isBackground: background, keepsTraces: trace });
});

await program.parseAsync().catch(explainAndExit);

function howManyRealtime(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > MOST_REALTIME) {
    throw new InvalidArgumentError(`must be a whole number from 1 to ${MOST_REALTIME}`);
  }
  return count;
}

async function run(
  home: Home,
  processes: Processes,
  { isBackground, keepsTraces }: { readonly isBackground: boolean; readonly keepsTraces: boolean },
): Promise<void> {
  const startedAt = performance.now();
  const terminal = new Terminal(home, isBackground);
  const supervisor = new Supervisor(home, processes, process.env, terminal, { keepsTraces });
  const asked = stopWhenAsked(home, supervisor, terminal, isBackground);
  try {
    const state = await supervisor.start();
    terminal.say(pc.green(`ready in ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`));
    if (!isBackground) terminal.show(`\n${await welcome(state)}\n\n${pc.dim('Ctrl-C stops it.')}`);
  } catch (error) {
    if (!asked.already)
      terminal.say(
        pc.red(`cannot start: ${error instanceof Explained ? error.message : String(error instanceof Error ? error.stack : error)}`),
      );
    await supervisor.stop();
    leave(terminal, asked.already ? asked.exitCode : 1);
  }
  process.on('uncaughtException', (error) => {
    terminal.say(pc.red(`stopping because of a mistake in Parley's own supervisor: ${error.stack ?? error.message}`));
    void stopInOrder(supervisor, terminal, 70);
  });
}

/** The first signal stops in order; a second Ctrl-C stops at once. Other signals change nothing once we are stopping. */
function stopWhenAsked(
  home: Home,
  supervisor: Supervisor,
  terminal: Terminal,
  isBackground: boolean,
): { already: boolean; exitCode: number } {
  const asked = { already: false, exitCode: 0 };
  let askedAt = 0;
  const stop = (why: string, exitCode: number) => {
    if (asked.already) return;
    Object.assign(asked, { already: true, exitCode });
    askedAt = performance.now();
    terminal.say(`${why}: stopping in order; Ctrl-C ${why === 'Ctrl-C' ? 'again ' : ''}stops at once`);
    void stopInOrder(supervisor, terminal, exitCode);
  };
  process.on('SIGINT', () => {
    if (!asked.already) return stop('Ctrl-C', 130);
    if (performance.now() - askedAt < SAME_SIGNAL_MS) return;
    askedAt = Infinity;
    terminal.say('stopping at once');
    void killLeftovers(home).finally(() => leave(terminal, 130));
  });
  process.on('SIGTERM', () => stop('asked to stop', 0));
  process.on('SIGHUP', () => (isBackground ? undefined : stop('the terminal was closed', 129)));
  if (!isBackground) watchParent(() => stop('npm is gone', 0));
  return asked;
}

async function stopInOrder(supervisor: Supervisor, terminal: Terminal, exitCode: number): Promise<void> {
  await supervisor.stop().catch(explainAndExit);
  terminal.say('everything has stopped');
  leave(terminal, exitCode);
}

/** npm can be killed without a chance to tell us. */
function watchParent(gone: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    gone();
  }, 1_000);
  timer.unref();
}

function leave(terminal: Terminal, exitCode: number): never {
  terminal.flush();
  process.exit(exitCode);
}

async function startDetached(home: Home, options: readonly string[]): Promise<void> {
  const startedAt = performance.now();
  mkdirSync(home.logs, { recursive: true });
  const log = join(home.logs, 'parley.log');
  const output = openSync(log, 'a', 0o640);
  const from = statSync(log).size;
  const child = spawn(process.execPath, ['--enable-source-maps', import.meta.filename, '--background', ...options], {
    detached: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => signal(child.pid ?? 0, 'SIGTERM'));
  const tail = follow(log, from);
  while (child.exitCode === null && child.signalCode === null && performance.now() - startedAt < DETACHED_READY_WITHIN_MS) {
    tail();
    const found = await readState(home);
    // Of this run, not of one that was killed; and what it says is true: the gateway answers.
    if (found?.state.phase === 'ready' && found.supervisor?.pid === child.pid && (await isReady(found.state.gatewayUrl))) {
      tail();
      process.stdout.write(
        `\n${await welcome(found.state)}\n\n${pc.dim(`It runs in the background (pid ${child.pid}); npm run stop ends it.`)}\n`,
      );
      child.unref();
      process.exit(0);
    }
    await sleep(100);
  }
  tail();
  if (child.exitCode === null) signal(child.pid ?? 0, 'SIGTERM');
  throw new Explained(`Parley did not start; the log is ${log}`, child.exitCode || 1);
}

/** Copies what is new at the end of a file to stdout, each time it is called. */
function follow(file: string, from: number): () => void {
  let position = from;
  return () => {
    const text = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    process.stdout.write(text.subarray(position));
    position = Math.max(position, text.length);
  };
}
