import cluster, { type Worker } from 'node:cluster';
import { EXIT_CONFIG, parseConfig, type Config } from '../config/config.js';
import { createLogger, type Logger } from '../log/logger.js';
import { addUpCounters } from '../metrics/worker-metrics.js';
import { LastWords } from '../process/last-words.js';
import { type ProcessHost, type ProcessPlan, runProcess, thisProcess } from '../process/run-process.js';
import { exponential } from '../work/backoff.js';
import { connectSiblings } from './sibling-workers.js';
import { EXIT_HUNG, SIGNAL_HUNG } from '../watchdog/watchdog.js';

const EXIT_CLEAN = 0;
const EXIT_FORCED = 1;
const BACKOFF = { baseMs: 200, capMs: 30_000 } as const;
/** A worker that lived this long was fine: its death is the first one again. */
const HEALTHY_AFTER_MS = 60_000;
/** Workers end themselves when their drain is over; the supervisor waits this much longer before it kills, in milliseconds. */
const GRACE_MS = 2_000;

/**
 * Like {@link runProcess}, with WEB_CONCURRENCY processes that share one port (R007, R043): a supervisor, which serves no request, starts them,
 * hands connections round, starts again what dies, and drains all of them when it is told to stop. `GET /metrics` of any of them shows the sum.
 * With WEB_CONCURRENCY=1 it is runProcess: one process, nothing around it.
 *
 * Let `plan.start` import what is heavy (`await import('./gateway.module.js')`): the supervisor then never loads it.
 */
export const runWorkers = async (plan: ProcessPlan): Promise<void> => {
  if (cluster.isWorker) return runProcess(plan, workerProcess());
  const config = readConfig();
  if (config === undefined || config.WEB_CONCURRENCY === 1) return runProcess(plan);
  new Supervisor(plan, config, createLogger(plan.service, config.LOG_LEVEL)).start();
};

/** Undefined when it cannot work: runProcess then says why. */
const readConfig = (): Config | undefined => {
  try {
    return parseConfig(thisProcess.env);
  } catch {
    return undefined;
  }
};

/**
 * A worker hears its supervisor only. A terminal's Ctrl-C reaches the whole group, and the supervisor passes it on: heard twice it would mean
 * "leave at once". SIGTERM to a worker alone makes it drain, and the supervisor starts another one.
 */
const workerProcess = (): ProcessHost => {
  const on = (event: string, listener: (...args: unknown[]) => void) => {
    if (event !== 'SIGINT') process[event === 'SIGTERM' ? 'once' : 'on'](event, listener);
    // Without any listener left the signal would end the process at once.
    if (event.startsWith('SIG')) process.on(event, () => undefined);
  };
  return { ...thisProcess, on: on as ProcessHost['on'] };
};

/** How long to wait before a worker is started again that died `deaths` times in a row without being well in between. */
export const restartDelayMs = (deaths: number): number => exponential(deaths, BACKOFF);

/** One of the WEB_CONCURRENCY workers that should run, and the process that currently does. */
interface WorkerSlot {
  deaths: number;
  worker: Worker | undefined;
  /** `performance.now()` of the start of its worker. */
  startedAt: number;
}

/**
 *     starting --(first worker listens)--> running --SIGTERM, SIGINT--> draining --(all gone)--> exit 0; a drain that was cut: 1
 *        `--(a worker ends)--> exit with its code      `--(again)--> all killed, exit 1
 */
class Supervisor {
  private readonly slots: WorkerSlot[];
  private readonly restarts: Record<string, number> = {};
  private hasListened = false;
  private isDraining = false;
  private exitCode = EXIT_CLEAN;

  constructor(
    private readonly plan: ProcessPlan,
    private readonly config: Config,
    private readonly logger: Logger,
  ) {
    this.slots = Array.from({ length: config.WEB_CONCURRENCY }, () => ({ deaths: 0, worker: undefined, startedAt: 0 }));
  }

  start(): void {
    const { logger } = this;
    connectSiblings(() => ({ wanted: this.slots.length, running: this.running.length, restarts: this.restarts }), addUpCounters);
    cluster.on('listening', (_worker, { port }) => (this.hasListened ||= port !== this.config.OPERATIONS_PORT));
    cluster.on('exit', (worker: Worker, code: number | null, signal: string | null) => this.onExit(worker, code, signal));
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.drain(signal));
    process.on('SIGUSR2', () => this.signalAll('SIGUSR2'));
    process.on('uncaughtException', (err) => {
      logger.fatal({ err }, 'uncaught error in the supervisor');
      new LastWords({ service: this.plan.service, ...this.config }).write(Date.now());
      this.leave(EXIT_FORCED); // workers end with their channel
    });
    logger.info({ workers: this.slots.length }, 'starting workers');
    for (const slot of this.slots) this.fill(slot);
  }

  private get running(): Worker[] {
    return this.slots.flatMap(({ worker }) => (worker === undefined ? [] : [worker]));
  }

  private fill(slot: WorkerSlot): void {
    if (this.isDraining) return;
    slot.worker = cluster.fork();
    slot.startedAt = performance.now();
    // Its channel may break while it is being told something; its end is what counts.
    slot.worker.on('error', () => undefined);
  }

  private onExit(worker: Worker, code: number | null, signal: string | null): void {
    const slot = this.slots.find((each) => each.worker === worker);
    if (slot === undefined) return;
    slot.worker = undefined;
    if (this.isDraining) return this.onDrained(code, signal);
    // It will not get better by itself: the configuration is wrong, or nothing ever came up. The same end as that of a single process.
    if (code === EXIT_CONFIG || !this.hasListened) return this.giveUp(code ?? EXIT_FORCED);
    this.replace(slot, { pid: worker.process.pid, code, signal });
  }

  private replace(slot: WorkerSlot, end: { pid: number | undefined; code: number | null; signal: string | null }): void {
    const livedMs = performance.now() - slot.startedAt;
    const hasLeft = end.code === EXIT_CLEAN;
    slot.deaths = hasLeft || livedMs > HEALTHY_AFTER_MS ? 1 : slot.deaths + 1;
    const reason = hasLeft ? 'left' : end.code === EXIT_HUNG || end.signal === SIGNAL_HUNG ? 'hang' : 'crash';
    this.restarts[reason] = (this.restarts[reason] ?? 0) + 1;
    const restartInMs = restartDelayMs(slot.deaths);
    const fields = { worker: end.pid, code: end.code, signal: end.signal, reason, livedMs: Math.round(livedMs), restartInMs };
    if (hasLeft) this.logger.info(fields, 'a worker was told to stop: starting another one');
    else this.logger.error(fields, 'a worker died: starting another one');
    setTimeout(() => this.fill(slot), restartInMs);
  }

  private drain(why: string): void {
    if (this.isDraining) {
      this.logger.warn({ signal: why }, 'told twice to stop: leaving at once');
      return this.cutOff();
    }
    this.isDraining = true;
    const drainMs = this.plan.drainMs(this.config);
    this.logger.info({ signal: why, drainMs, workers: this.running.length }, 'stopping all workers');
    if (this.running.length === 0) return this.leave(EXIT_CLEAN);
    this.signalAll('SIGTERM');
    setTimeout(() => this.cutOff(), drainMs + GRACE_MS);
  }

  /** A worker that had not begun yet knows no other way to take SIGTERM than to die of it. */
  private onDrained(code: number | null, signal: string | null): void {
    if (code !== EXIT_CLEAN && signal !== 'SIGTERM') this.exitCode = Math.max(this.exitCode, code ?? EXIT_FORCED);
    if (this.running.length > 0) return;
    this.logger.info({ code: this.exitCode }, 'all workers stopped');
    this.leave(this.exitCode);
  }

  private giveUp(code: number): void {
    this.isDraining = true;
    this.exitCode = code;
    if (this.running.length === 0) return this.leave(code);
    this.signalAll('SIGKILL');
  }

  private cutOff(): void {
    this.exitCode = EXIT_FORCED;
    this.signalAll('SIGKILL');
    if (this.running.length === 0) this.leave(EXIT_FORCED);
  }

  private signalAll(signal: NodeJS.Signals): void {
    for (const worker of this.running) worker.process.kill(signal);
  }

  private leave(code: number): void {
    this.logger.flush();
    process.exit(code);
  }
}
