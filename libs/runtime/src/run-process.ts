import { type Config, ConfigError, EXIT_CONFIG, parseConfig } from './config.js';
import { createLogger, type Logger } from './logger.js';
import { startProcessMetrics } from './metrics.js';
import { Readiness } from './readiness.js';

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
  /** Milliseconds that the process gets to finish what it holds when it is told to stop; what is left then is cut off. */
  readonly drainMs: (config: Config) => number;
  /**
   * Builds and starts everything, resolves when it listens, with the function that stops it all in order:
   * no new work, finish what is in flight, then close connections (architecture, messaging rule 10). Readiness is off by then.
   */
  readonly start: (parts: ProcessParts) => Promise<() => Promise<void>>;
}

/** As much of Node's `process` as is needed here; tests bring their own. */
export interface ProcessHost {
  readonly env: NodeJS.ProcessEnv;
  readonly stderr: { write(text: string): unknown };
  /** Where log lines go; without it stdout. */
  readonly logTo?: { write(line: string): void };
  on(event: 'SIGTERM' | 'SIGINT', listener: (signal: NodeJS.Signals) => void): unknown;
  on(event: 'uncaughtException' | 'unhandledRejection', listener: (error: unknown) => void): unknown;
  exit(code: number): void;
}

const EXIT_CLEAN = 0;
const EXIT_FORCED = 1;

/**
 * The life of a process, from configuration to exit code. A `main.ts` is one call:
 *
 *     await runProcess({
 *       service: 'embedding',
 *       drainMs: (config) => config.BUS_DRAIN_MS,
 *       start: async (parts) => {
 *         verifyTimeoutChain(timeoutChain(parts.config, { name: 'embedding.messages', deadlineMs: 30_000 }));
 *         const app = await createOperationsApp(EmbeddingModule.of(parts), parts.logger);
 *         await app.listen(parts.config.PORT, parts.config.HOST);
 *         return () => app.close();
 *       },
 *     });
 *
 *
 *     start --(listening)--> run --SIGTERM, SIGINT--> drain --(stopped)--> exit 0
 *       |                     |                        `--(drainMs over, or a second signal)--> exit 1
 *       |                     `--(uncaught error)--> exit 1
 *       `--(configuration)--> exit 78;  (anything else) exit 1
 */
export const runProcess = async (plan: ProcessPlan, host: ProcessHost = process): Promise<void> => {
  const config = readConfig(host);
  if (config === undefined) return host.exit(EXIT_CONFIG);
  const logger = createLogger(plan.service, config.LOG_LEVEL, host.logTo);
  const readiness = new Readiness();
  const exit = (code: number) => {
    logger.flush();
    host.exit(code);
  };
  // The state of a process after an uncaught error is unknown; what it held is requeued by the broker or found by the outbox sweep.
  const crash = (err: unknown) => {
    logger.fatal({ err }, 'uncaught error');
    exit(EXIT_FORCED);
  };
  host.on('uncaughtException', crash);
  host.on('unhandledRejection', crash);
  startProcessMetrics();

  const startedAt = performance.now();
  const starting = (async () => plan.start({ config, logger, readiness }))();
  const stop = stopOnce(plan, { config, logger, readiness }, starting, exit);
  host.on('SIGTERM', (signal) => void stop(signal));
  host.on('SIGINT', (signal) => void stop(signal));
  try {
    await starting;
    readiness.started();
    logger.info({ durationMs: Math.round(performance.now() - startedAt) }, 'started');
  } catch (error) {
    const isConfiguration = error instanceof ConfigError;
    logger.fatal(isConfiguration ? {} : { err: error }, startFailure(error, config));
    exit(isConfiguration ? EXIT_CONFIG : EXIT_FORCED);
  }
};

const readConfig = (host: ProcessHost): Config | undefined => {
  try {
    return parseConfig(host.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    host.stderr.write(`${error.message}\n`);
    return undefined;
  }
};

const stopOnce = (plan: ProcessPlan, parts: ProcessParts, starting: Promise<() => Promise<void>>, exit: (code: number) => void) => {
  const { config, logger, readiness } = parts;
  return async (signal: string): Promise<void> => {
    if (readiness.isDraining) {
      logger.warn({ signal }, 'told twice to stop: leaving at once');
      return exit(EXIT_FORCED);
    }
    const startedAt = performance.now();
    const drainMs = plan.drainMs(config);
    logger.info({ signal, drainMs }, 'stopping');
    readiness.drain();
    const timer = setTimeout(() => {
      logger.error({ drainMs }, 'not finished in time: leaving');
      exit(EXIT_FORCED);
    }, drainMs);
    try {
      const stop = await starting;
      await stop();
      logger.info({ durationMs: Math.round(performance.now() - startedAt) }, 'stopped');
      exit(EXIT_CLEAN);
    } catch (err) {
      logger.error({ err }, 'could not stop cleanly');
      exit(EXIT_FORCED);
    } finally {
      clearTimeout(timer);
      readiness.stop();
    }
  };
};

const startFailure = (error: unknown, config: Config): string => {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    return `port ${config.PORT} is taken: give this process another one with PORT`;
  }
  return 'could not start';
};
