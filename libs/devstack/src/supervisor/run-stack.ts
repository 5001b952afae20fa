import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pc from 'picocolors';
import type { Home } from '../home/home.js';
import { readState, type StackState } from '../home/state.js';
import { commandFor } from '../installation.js';
import { Explained, explainAndExit } from '../terminal/explain.js';
import { welcome } from '../terminal/welcome.js';
import { isReady } from './is-ready.js';
import type { Terminal } from './terminal.js';

/** From nothing, with images or packages to fetch; a start that takes longer has got stuck. */
const DETACHED_READY_WITHIN_MS = 900_000;
/** One Ctrl-C may arrive three times: from the terminal, from npm, from bootstrap.mjs. */
const SAME_SIGNAL_MS = 1_000;
/** What a shell reports of a command that Ctrl-C ended. */
const EXIT_INTERRUPTED = 130;

/** What runs until it is told to stop. */
export interface Stack {
  /** @throws when it cannot be brought up; then {@link stop} cleans up. */
  start(): Promise<StackState>;
  /** In order. Safe to call at any time and more than once. */
  stop(): Promise<void>;
  /** At once and without order; its data survives that. */
  kill(): Promise<void>;
}

/** Where the stack speaks, and whether a terminal belongs to it. */
interface RunOptions {
  readonly terminal: Terminal;
  readonly isBackground: boolean;
}

/** A stack that this process runs. */
interface RunningStack {
  /** Stops it in order and ends the process, as a signal would. */
  readonly orderStop: () => void;
}

/** Starts the stack and keeps it until a signal, or `orderStop`, ends it; then the process ends. A start that fails ends it with 1. */
export function runStack(stack: Stack, options: RunOptions): RunningStack {
  const asked = new StopOrder(stack, options);
  void startAndShow(stack, options, asked).catch(explainAndExit);
  return { orderStop: () => asked.stop('asked to stop', 0) };
}

async function startAndShow(stack: Stack, { terminal, isBackground }: RunOptions, asked: StopOrder): Promise<void> {
  const startedAt = performance.now();
  try {
    const state = await stack.start();
    if (asked.already) return;
    terminal.say(pc.green(`ready in ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`));
    if (!isBackground) terminal.show(`\n${await welcome(state)}\n\n${pc.dim('Ctrl-C stops it.')}`);
  } catch (error) {
    if (asked.already) return; // that stop ends the process, when everything has stopped
    const reason = error instanceof Explained ? error.message : String(error instanceof Error ? error.stack : error);
    terminal.say(pc.red(`cannot start: ${reason}`));
    await stack.stop();
    leave(terminal, 1);
  }
  process.on('uncaughtException', (error) => {
    terminal.say(pc.red(`stopping because of a mistake in Parley's own supervisor: ${error.stack ?? error.message}`));
    void stopInOrder(stack, terminal, 70);
  });
}

/** The first signal stops in order; a second Ctrl-C stops at once. Other signals change nothing once we are stopping. */
class StopOrder {
  already = false;
  private askedAt = 0;

  constructor(
    private readonly stack: Stack,
    private readonly options: RunOptions,
  ) {
    process.on('SIGINT', () => this.interrupted());
    process.on('SIGTERM', () => this.stop('asked to stop', 0));
    process.on('SIGHUP', () => (options.isBackground ? undefined : this.stop('the terminal was closed', 129)));
    if (!options.isBackground) watchParent(() => this.stop('npm is gone', 0));
  }

  stop(why: string, exitCode: number): void {
    if (this.already) return;
    this.already = true;
    this.askedAt = performance.now();
    this.options.terminal.say(`${why}: stopping in order; Ctrl-C ${why === 'Ctrl-C' ? 'again ' : ''}stops at once`);
    void stopInOrder(this.stack, this.options.terminal, exitCode);
  }

  private interrupted(): void {
    if (!this.already) return this.stop('Ctrl-C', EXIT_INTERRUPTED);
    if (performance.now() - this.askedAt < SAME_SIGNAL_MS) return;
    this.askedAt = Infinity;
    this.options.terminal.say('stopping at once');
    void this.stack.kill().finally(() => leave(this.options.terminal, EXIT_INTERRUPTED));
  }
}

async function stopInOrder(stack: Stack, terminal: Terminal, exitCode: number): Promise<void> {
  await stack.stop().catch(explainAndExit);
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

/** Runs a start command in the background and ends this process when that is ready. @throws Explained when it does not get ready. */
export async function startDetached(home: Home, command: readonly string[]): Promise<never> {
  const startedAt = performance.now();
  mkdirSync(home.logs, { recursive: true });
  const log = join(home.logs, 'parley.log');
  const output = openSync(log, 'a', 0o640);
  const from = statSync(log).size;
  const child = spawn(process.execPath, ['--enable-source-maps', ...command], {
    detached: true,
    windowsHide: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  let isInterrupted = false;
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      isInterrupted = true;
      child.kill('SIGTERM');
    });
  const tail = follow(log, from);
  while (child.exitCode === null && child.signalCode === null && performance.now() - startedAt < DETACHED_READY_WITHIN_MS) {
    tail();
    const found = await readState(home);
    // Of this run, not of one that was killed; and what it says is true: the gateway answers.
    const isUp = found?.state.phase === 'ready' && found.supervisor?.pid === child.pid && (await isReady(found.state.gatewayUrl));
    if (isUp && !isInterrupted) {
      tail();
      process.stdout.write(
        `\n${await welcome(found.state)}\n\n${pc.dim(`It runs in the background (pid ${child.pid}); ${commandFor('stop')} ends it.`)}\n`,
      );
      child.unref();
      process.exit(0);
    }
    await sleep(100);
  }
  tail();
  if (isInterrupted) throw new Explained('interrupted: Parley was stopped', EXIT_INTERRUPTED);
  if (child.exitCode === null) child.kill('SIGTERM');
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
