import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { descendantsOf, goneWithin, identify, signal, toPidFile } from './process-identity.js';

/** How one server process is run, asked whether it is ready, and stopped. Times in milliseconds. */
export interface ServerPlan {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Run as this user; needs root. */
  readonly as?: { readonly uid: number; readonly gid: number } | undefined;
  /** stdout and stderr are appended here, unless `onOutput` takes them; its end is shown when the server does not come up. */
  readonly logFile: string;
  /** Takes what the server writes, as it comes. */
  readonly onOutput?: (chunk: string, from: 'stdout' | 'stderr') => void;
  /** Holds the identity of the running server, for the next run to clean up after this one. */
  readonly pidFile: string;
  readonly stopSignal: NodeJS.Signals;
  readonly stopWithinMs: number;
  readonly readyWithinMs: number;
  /** When this fires, a start that is under way is given up. */
  readonly cancelled?: AbortSignal | undefined;
  /** Resolves when the server answers; asked again and again until it does. */
  readonly probe: (deadline: AbortSignal) => Promise<void>;
}

/** What every private server can do, whether a process of ours or a container stands behind it. */
export interface PrivateServer {
  readonly name: string;
  readonly url: string;
  readonly logFile: string;
  /** The process behind it; undefined when it is down, or when it runs in a container. */
  readonly pid: number | undefined;
  /** Starts it again on the same port and data. @throws when it is not ready in time, with the end of its log. */
  start(): Promise<void>;
  /** Asks it to end, then kills it. Resolves when nothing of it is left. */
  stop(): Promise<void>;
  /** SIGKILL, as a crash would. Resolves when nothing of it is left. */
  kill(): Promise<void>;
  /** Ends it if it runs and starts it on the same port and data; resolves when it answers. */
  restart(): Promise<void>;
  /** SIGSTOP: it keeps its connections and answers nothing. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Calls back when it ends without having been asked to, with what is known about why. */
  onCrash(listener: (how: string) => void): void;
}

const PROBE_TIMEOUT_MS = 2_000;
const PROBE_EVERY_MS = 50;
/** What a process wrote before it ended may reach its log after the news of its end. */
const LAST_WORDS_MS = 100;
const KILL_WITHIN_MS = 5_000;
const LOG_LIMIT_BYTES = 10_000_000;

/**
 * A server that runs as our child in its own process group and session, so that a Ctrl-C in the terminal does not reach it
 * and all of it can be ended together.
 */
export class ServerProcess {
  private child: ChildProcess | undefined;
  private exit: Promise<string> = Promise.resolve('not started');
  private isWanted = false;
  /** Where in the log file the present run begins, in bytes. */
  private logStart = 0;
  private readonly crashListeners: ((how: string) => void)[] = [];

  constructor(private readonly plan: ServerPlan) {}

  get pid(): number | undefined {
    return this.child?.pid;
  }

  async start(): Promise<void> {
    if (this.child !== undefined) return;
    this.spawn();
    try {
      await this.untilReady();
    } catch (error) {
      await this.kill();
      throw error;
    }
    this.isWanted = true;
  }

  async stop(): Promise<void> {
    await this.end(this.plan.stopSignal, this.plan.stopWithinMs);
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL', KILL_WITHIN_MS);
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async pause(): Promise<void> {
    // Parents first: what is stopped cannot start another child that we would miss.
    if (this.pid === undefined) return;
    signal(this.pid, 'SIGSTOP');
    for (const each of descendantsOf(this.pid)) signal(each, 'SIGSTOP');
  }

  async resume(): Promise<void> {
    if (this.pid === undefined) return;
    for (const each of descendantsOf(this.pid)) signal(each, 'SIGCONT');
    signal(this.pid, 'SIGCONT');
  }

  onCrash(listener: (how: string) => void): void {
    this.crashListeners.push(listener);
  }

  private spawn(): void {
    const { plan } = this;
    mkdirSync(dirname(plan.logFile), { recursive: true });
    const log = plan.onOutput === undefined ? openLog(plan.logFile) : undefined;
    this.logStart = existsSync(plan.logFile) ? statSync(plan.logFile).size : 0;
    try {
      const child = spawn(plan.command, plan.args, {
        detached: true,
        stdio: ['ignore', log ?? 'pipe', log ?? 'pipe'],
        env: plan.env,
        cwd: plan.cwd,
        ...plan.as,
      });
      this.child = child;
      for (const from of ['stdout', 'stderr'] as const) {
        child[from]?.setEncoding('utf8').on('data', (chunk: string) => plan.onOutput?.(chunk, from));
      }
      this.exit = new Promise((resolve) => {
        child.once('error', (error) => resolve(`could not be started: ${error.message}`));
        child.once('exit', (code, by) => resolve(by === null ? `exited with code ${code}` : `was ended by ${by}`));
      });
      void this.exit.then((how) => this.afterExit(child, how));
      const identity = child.pid === undefined ? undefined : identify(child.pid);
      if (identity !== undefined) writeFileSync(plan.pidFile, toPidFile(identity), { mode: 0o600 });
    } finally {
      if (log !== undefined) closeSync(log);
    }
  }

  private async untilReady(): Promise<void> {
    const { plan } = this;
    const endsAt = performance.now() + plan.readyWithinMs;
    let ended: string | undefined;
    void this.exit.then((how) => (ended = how));
    let isAnswered = false;
    let lastError: unknown;
    while (performance.now() < endsAt && plan.cancelled?.aborted !== true) {
      // First: another process may have its port, and answer in its place.
      if (ended !== undefined) {
        await sleep(LAST_WORDS_MS);
        throw new Error(`${plan.name} ${ended} while it was starting\n${this.logTail()}`);
      }
      if (isAnswered) return;
      try {
        const timeIsUp = AbortSignal.timeout(PROBE_TIMEOUT_MS);
        await plan.probe(plan.cancelled === undefined ? timeIsUp : AbortSignal.any([timeIsUp, plan.cancelled]));
        isAnswered = true;
      } catch (error) {
        lastError = error;
        await sleep(PROBE_EVERY_MS);
      }
    }
    if (plan.cancelled?.aborted === true) throw new Error(`${plan.name} was stopped while it was starting`);
    const reason = lastError instanceof Error ? lastError.message : String(lastError);
    throw new Error(`${plan.name} was not ready within ${plan.readyWithinMs / 1_000} s (${reason})\n${this.logTail()}`);
  }

  private async end(by: NodeJS.Signals, withinMs: number): Promise<void> {
    this.isWanted = false;
    const { pid } = this;
    if (pid === undefined) return;
    const all = [pid, ...descendantsOf(pid)].map(identify).filter((each) => each !== undefined);
    signal(pid, by);
    if (by !== 'SIGKILL') await this.resume(); // a stopped process hears nothing but SIGKILL
    const leader = all.filter((each) => each.pid === pid);
    if (!(await goneWithin(withinMs, leader))) for (const each of all) signal(each.pid, 'SIGKILL');
    signal(-pid, 'SIGKILL'); // what the leader left behind in its group, such as its name server
    await this.exit;
    if (!(await goneWithin(KILL_WITHIN_MS, all))) for (const each of all) signal(each.pid, 'SIGKILL');
    this.child = undefined;
  }

  private afterExit(child: ChildProcess, how: string): void {
    if (this.child !== child) return;
    rmSync(this.plan.pidFile, { force: true });
    if (child.pid !== undefined) signal(-child.pid, 'SIGKILL');
    this.child = undefined;
    if (!this.isWanted) return;
    this.isWanted = false;
    for (const listener of this.crashListeners) listener(how);
  }

  private logTail(): string {
    const { logFile } = this.plan;
    const log = existsSync(logFile) ? readFileSync(logFile) : Buffer.alloc(0);
    const said = log
      .subarray(log.length < this.logStart ? 0 : this.logStart)
      .toString()
      .trim();
    return said === '' ? `it wrote nothing to ${logFile}` : `end of ${logFile}:\n${said.split('\n').slice(-15).join('\n')}`;
  }
}

/** The face that the rest of the code sees of a {@link ServerProcess}. */
export function asPrivateServer(name: string, url: string, logFile: string, server: ServerProcess): PrivateServer {
  return {
    name,
    url,
    logFile,
    get pid() {
      return server.pid;
    },
    start: () => server.start(),
    stop: () => server.stop(),
    kill: () => server.kill(),
    restart: () => server.restart(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    onCrash: (listener) => server.onCrash(listener),
  };
}

function openLog(logFile: string): number {
  setAsideWhenLarge(logFile);
  return openSync(logFile, 'a', 0o640);
}

function setAsideWhenLarge(logFile: string): void {
  try {
    if (statSync(logFile).size > LOG_LIMIT_BYTES) renameSync(logFile, `${logFile}.1`);
  } catch {
    // No log yet.
  }
}
