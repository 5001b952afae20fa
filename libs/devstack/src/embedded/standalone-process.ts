import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeFlags } from '#lib/runtime/workers/node-flags';
import { projectRoot } from '../project-root.js';
import { STANDALONE } from '../services.js';
import { isReady } from '../supervisor/is-ready.js';
import { Explained } from '../terminal/explain.js';
import { BEGIN, STARTED, STOP } from './standalone-message.js';

/** How the one process of the embedded mode is run. */
export interface StandaloneOptions {
  /** Its built entry file. */
  readonly entry: string;
  /** What that loads; it needs no server. */
  readonly loads?: string;
  readonly env: NodeJS.ProcessEnv;
  /** Each serves `/readyz`. */
  readonly urls: readonly string[];
  /** Takes what it writes, as it comes. */
  readonly onOutput: (chunk: string, from: 'stdout' | 'stderr') => void;
}

const CHILD = join(projectRoot, 'dist', 'libs', 'devstack', 'src', 'embedded', 'standalone-child.js');
/** It migrates first. */
const READY_WITHIN_MS = 120_000;
const ASK_EVERY_MS = 25;
/** What it wrote before it ended is read after the news of its end. */
const LAST_WORDS_MS = 100;
/** The longest drain of its modules, and some. */
const STOP_WITHIN_MS = 65_000;
const KEPT_LINES = 15;

/** The process that is all of Parley: migrates the database, then serves. It is told to stop over a channel, which every platform has. */
export class StandaloneProcess {
  readonly name = STANDALONE;
  private child: ChildProcess | undefined;
  private isWanted = false;
  /** It says so itself: another process may have its ports, and answer in its place. */
  private hasStarted = false;
  private ended: Promise<string> = Promise.resolve('was not started');
  private said: string[] = [];
  private readonly listeners: ((how: string) => void)[] = [];

  constructor(private readonly options: StandaloneOptions) {}

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Has it load its code already, for which it needs no Postgres. */
  prepare(): void {
    if (this.child === undefined) this.ended = this.spawn();
  }

  /** Resolves when it is ready; Postgres answers by now. @throws Explained with its last lines when it ends before. */
  async start(): Promise<void> {
    if (this.isWanted) return;
    this.prepare();
    let how: string | undefined;
    void this.ended.then((reason) => (how = reason));
    this.tell(BEGIN);
    const endsAt = performance.now() + READY_WITHIN_MS;
    for (let isAnswered = false; ; isAnswered = this.hasStarted && (await this.isReady())) {
      if (how !== undefined) {
        await sleep(LAST_WORDS_MS);
        throw new Explained(`Parley ${how} while it was starting\n${this.said.join('\n')}`);
      }
      if (isAnswered) break;
      if (performance.now() > endsAt) {
        await this.stop();
        throw new Explained(`Parley was not ready within ${READY_WITHIN_MS / 1_000} s\n${this.said.join('\n')}`);
      }
      await sleep(ASK_EVERY_MS);
    }
    this.isWanted = true;
  }

  /** Asks it to drain and end; kills it when it has not within 65 s. */
  async stop(): Promise<void> {
    this.isWanted = false;
    const { child, ended } = this;
    if (child === undefined) return;
    this.tell(STOP);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
    await ended;
    clearTimeout(timer);
  }

  /** At once. */
  kill(): void {
    this.isWanted = false;
    this.child?.kill('SIGKILL');
  }

  /** Calls back when it ends without having been asked to. */
  onCrash(listener: (how: string) => void): void {
    this.listeners.push(listener);
  }

  private tell(word: string): void {
    if (this.child?.connected === true) this.child.send(word, () => undefined);
  }

  private spawn(): Promise<string> {
    const { entry, loads, env, onOutput } = this.options;
    this.said = [];
    this.hasStarted = false;
    const child = spawn(process.execPath, [...nodeFlags('gateway'), CHILD, entry, ...(loads === undefined ? [] : [loads])], {
      // A Ctrl-C in the terminal is for us; it is stopped in order.
      detached: true,
      windowsHide: true,
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.child = child;
    child.on('message', (word) => (this.hasStarted ||= word === STARTED && this.child === child));
    for (const from of ['stdout', 'stderr'] as const) {
      child[from]?.setEncoding('utf8').on('data', (chunk: string) => {
        this.said = [...this.said, ...chunk.trimEnd().split('\n')].slice(-KEPT_LINES);
        onOutput(chunk, from);
      });
    }
    return new Promise((resolve) => {
      const settle = (how: string) => {
        resolve(how);
        if (this.child === child) this.afterEnd(how);
      };
      child.once('error', (error) => settle(`could not be started: ${error.message}`));
      child.once('exit', (code, by) => settle(by === null ? `exited with code ${code}` : `was ended by ${by}`));
    });
  }

  private afterEnd(how: string): void {
    this.child = undefined;
    if (!this.isWanted) return;
    this.isWanted = false;
    for (const listener of this.listeners) listener(how);
  }

  private async isReady(): Promise<boolean> {
    const answers = await Promise.all(this.options.urls.map(isReady));
    return answers.every(Boolean);
  }
}
