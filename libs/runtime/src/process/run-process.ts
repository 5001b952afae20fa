import { setPriority } from 'node:os';
import { type Config, ConfigError, EXIT_CONFIG, parseConfig } from '../config/config.js';
import { createLogger, type Logger } from '../log/logger.js';
import { metrics, startProcessMetrics } from '../metrics/metrics.js';
import { processReport } from '../work/process-report.js';
import { Readiness } from '../health/readiness.js';
import { collectGarbage } from './collect-garbage.js';
import { LastWords } from './last-words.js';
import { OperationsServer } from './operations-server.js';
import { answerSiblings, hasSiblings } from '../workers/sibling-workers.js';
import { EXIT_HUNG, Watchdog, type WatchdogOptions } from '../watchdog/watchdog.js';
import { shareMetrics } from '../metrics/worker-metrics.js';
import { destinationsOf, startTracing, type Tracing } from '../trace/start-tracing.js';

/** What every process of Parley has before it builds anything of its own. */
export interface ProcessParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly readiness: Readiness;
}

/** One process: what `main.ts` hands to {@link runProcess}. */
export interface ProcessPlan {
  /** As in logs, metrics and the management UI, e.g. `embedding`. */
  readonly service: string;
  /** Where processes share cores the others go first: what this one does may be seconds late. Left out: it answers callers or their sockets. */
  readonly isBackground?: true;
  /** Milliseconds that the process gets to finish what it holds when it is told to stop; what is left then is cut off. See drain-times.ts. */
  readonly drainMs: (config: Config) => number;
  /**
   * Builds and starts everything, resolves when it listens, with the function that stops it all in order (lifecycle.ts):
   * no new work, finish what is in flight, then close connections (messaging rule 10). Readiness is off by then.
   */
  readonly start: (parts: ProcessParts) => Promise<() => Promise<void>>;
}

/** As much of Node's `process` as is needed here; tests bring their own. */
export interface ProcessHost {
  readonly env: NodeJS.ProcessEnv;
  readonly stderr: { write(text: string): unknown };
  /** Where log lines go; without it stdout. */
  readonly logTo?: { write(line: string): void };
  on(event: 'SIGTERM' | 'SIGINT' | 'SIGUSR2', listener: (signal: NodeJS.Signals) => void): unknown;
  on(event: 'uncaughtException' | 'unhandledRejection', listener: (error: unknown) => void): unknown;
  exit(code: number): void;
  /** Where the process leaves word of an uncaught error; without it the folder for temporary files. */
  readonly lastWordsIn?: string;
  /** Begins to watch the process; left out by tests, whose process must not be ended. */
  readonly watch?: (options: WatchdogOptions) => void;
  /** Gives back what the start has left in the heap; left out by tests. */
  readonly collectGarbage?: () => void;
  /** Lets other processes go first; left out by tests. */
  readonly lowerPriority?: () => void;
}

/** Niceness of background processes: a third of the weight of the others where both want one core, so that they never stand still. */
const BACKGROUND_NICE = 5;

/** The process that we are in. */
export const thisProcess: ProcessHost = {
  env: process.env, // oxlint-disable-line node/no-process-env -- parseConfig is given it from here
  stderr: process.stderr,
  on: process.on.bind(process) as ProcessHost['on'],
  exit: (code) => process.exit(code),
  watch: (options) => void new Watchdog(options),
  collectGarbage,
  lowerPriority: () => setPriority(BACKGROUND_NICE),
};

const EXIT_CLEAN = 0;
const EXIT_FORCED = 1;
/** A process that has lost a pool has little to finish; what still moves has this long, in milliseconds. */
const RECYCLE_WITHIN_MS = 5_000;
/** What a collector that hangs may take of a drain, in milliseconds. */
const FLUSH_SPANS_MS = 2_000;
/** Units of work that a report lists: a tenth of the limit of requests in flight. */
const LISTED = 100;

/**
 * The life of a process, from configuration to exit code. SIGUSR2 makes it log what it has in hand. A `main.ts` is one call:
 *
 *     await runProcess({
 *       service: 'embedding',
 *       drainMs: drainTimes.embedding,
 *       start: startOperationsApp(EmbeddingModule.live()),
 *     });
 *
 *     start --(listening)--> run --SIGTERM, SIGINT--> drain --(stopped)--> exit 0
 *       |                     |                        `--(drainMs over, or a second signal)--> exit 1
 *       |                     |--(uncaught error)--> exit 1, with word of it for the next one (last-words.ts)
 *       |                     `--(a pool has lost its places, see watchdog.ts)--> exit 70
 *       `--(configuration)--> exit 78;  (anything else) exit 1
 */
export const runProcess = async (plan: ProcessPlan, host: ProcessHost = thisProcess): Promise<void> => {
  const config = readConfig(host);
  if (config === undefined) return host.exit(EXIT_CONFIG);
  const logger = createLogger(plan.service, config.LOG_LEVEL, host.logTo);
  const readiness = new Readiness();
  const exit = (code: number) => {
    logger.flush();
    host.exit(code);
  };
  const lastWords = new LastWords({ service: plan.service, ...config }, host.lastWordsIn);
  // The state of a process after an uncaught error is unknown; what it held is requeued by the broker or found by the outbox sweep.
  const crash = (err: unknown) => {
    logger.fatal({ err }, 'uncaught error');
    lastWords.write(Date.now());
    exit(EXIT_FORCED);
  };
  host.on('uncaughtException', crash);
  host.on('unhandledRejection', crash);
  startProcessMetrics(plan.service, config.MEMORY_LIMIT_BYTES);
  metrics.processCrashed.set((lastWords.read() ?? 0) / 1_000);
  shareMetrics();
  const report = () => processReport(LISTED, readiness.eventLoopLagMs);
  answerSiblings('report', report);
  host.on('SIGUSR2', () => logger.info({ inHand: report() }, 'asked what is in hand'));

  if (plan.isBackground === true) host.lowerPriority?.();

  const startedAt = performance.now();
  const starting = startTraced(plan, { config, logger, readiness });
  const stop = stopOnce({ logger, readiness }, starting, exit);
  const toldToStop = (signal: NodeJS.Signals) => void stop({ why: signal, drainMs: plan.drainMs(config), exitCode: EXIT_CLEAN });
  host.on('SIGTERM', toldToStop);
  host.on('SIGINT', toldToStop);
  const hangMs = config.WATCHDOG_HANG_MS;
  if (hangMs > 0) {
    const onStuck = () => void stop({ why: 'watchdog', drainMs: RECYCLE_WITHIN_MS, exitCode: EXIT_HUNG });
    host.watch?.({ service: plan.service, hangMs, logger, eventLoopLagMs: () => readiness.eventLoopLagMs, onStuck });
  }
  try {
    await starting;
    host.collectGarbage?.();
    readiness.started();
    metrics.startDuration.set(performance.now() / 1_000);
    logger.info({ durationMs: Math.round(performance.now() - startedAt) }, 'started');
  } catch (error) {
    const isConfiguration = error instanceof ConfigError;
    logger.fatal(isConfiguration ? {} : { err: error }, startFailure(error, config));
    exit(isConfiguration ? EXIT_CONFIG : EXIT_FORCED);
  }
};

/**
 * The operations port opens before anything else and closes after it. Workers share it, and a worker that still starts would speak for those
 * that serve: theirs opens with the public one.
 */
const startWithOperations = async (plan: ProcessPlan, parts: ProcessParts): Promise<() => Promise<void>> => {
  const { OPERATIONS_PORT: port, HOST: host } = parts.config;
  if (port === undefined) return plan.start(parts);
  const server = new OperationsServer(parts.readiness);
  if (!hasSiblings()) await server.listen(port, host);
  const stop = await plan.start(parts);
  if (hasSiblings()) await server.listen(port, host);
  return async () => {
    try {
      await stop();
    } finally {
      await server.close();
    }
  };
};

/** With its spans going out before anything is started; without a destination for them nothing is loaded. */
const startTraced = async (plan: ProcessPlan, parts: ProcessParts): Promise<Started> => {
  const { config, logger } = parts;
  const tracing = destinationsOf(config).length === 0 ? undefined : await startTracing(plan.service, config, { logger });
  return { stop: await startWithOperations(plan, parts), tracing };
};

/** What ends a process that has started. */
interface Started {
  readonly stop: () => Promise<void>;
  readonly tracing: Tracing | undefined;
}

const readConfig = (host: ProcessHost): Config | undefined => {
  try {
    return parseConfig(host.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    host.stderr.write(`${error.message}\n`);
    return undefined;
  }
};

/** Why a process ends, how long that may take, and the exit code when it ended in order. */
interface Stop {
  readonly why: string;
  readonly drainMs: number;
  readonly exitCode: number;
}

const stopOnce = (parts: Omit<ProcessParts, 'config'>, starting: Promise<Started>, exit: (code: number) => void) => {
  const { logger, readiness } = parts;
  return async ({ why, drainMs, exitCode }: Stop): Promise<void> => {
    const forced = exitCode === EXIT_CLEAN ? EXIT_FORCED : exitCode;
    if (readiness.isDraining) {
      // The watchdog need not hurry a process that is on its way out: its drain has a limit.
      if (exitCode !== EXIT_CLEAN) return;
      logger.warn({ signal: why }, 'told twice to stop: leaving at once');
      return exit(forced);
    }
    const startedAt = performance.now();
    logger.info({ signal: why, drainMs }, 'stopping');
    readiness.drain();
    const timer = setTimeout(() => {
      logger.error({ drainMs }, 'not finished in time: leaving');
      exit(forced);
    }, drainMs);
    try {
      const { stop, tracing } = await starting;
      await stop();
      // Last, so that spans of the drain are among them; never so long that the drain would count as cut.
      await tracing?.stop(Math.min(FLUSH_SPANS_MS, drainMs - (performance.now() - startedAt) - 100));
      logger.info({ durationMs: Math.round(performance.now() - startedAt) }, 'stopped');
      exit(exitCode);
    } catch (err) {
      logger.error({ err }, 'could not stop cleanly');
      exit(forced);
    } finally {
      clearTimeout(timer);
      readiness.stop();
    }
  };
};

const startFailure = (error: unknown, config: Config): string => {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    const isOperations = 'port' in error && error.port === config.OPERATIONS_PORT;
    const name = isOperations ? 'OPERATIONS_PORT' : 'PORT';
    return `port ${config[name]} is taken: give this process another one with ${name}`;
  }
  return 'could not start';
};
