import { DeliveryModule } from '../../delivery/src/delivery.module.js';
import { EmbeddingModule } from '../../embedding/src/embedding.module.js';
import { createGateway } from '../../gateway/src/create-gateway.js';
import { GatewayModule } from '../../gateway/src/gateway.module.js';
import { OpsModule } from '../../ops/src/ops.module.js';
import { RealtimeModule } from '../../realtime/src/realtime.module.js';
import { startRealtime } from '../../realtime/src/start-realtime.js';
import { ScoringModule } from '../../scoring/src/scoring.module.js';
import { MIN_STANDALONE_POOL } from '#lib/database/pool-budget';
import { type Config, ConfigError } from '#lib/runtime/config/config';
import { createLogger } from '#lib/runtime/log/logger';
import type { ProcessParts } from '#lib/runtime/process/run-process';
import { startApp, startSilentApp } from '#lib/runtime/process/start-app';
import { makeSharedParts, type SharedParts } from './adapters/shared-parts.js';

type Stop = () => Promise<void>;

/** Every app, in the order in which they start: who answers and consumes before who is asked. */
const apps: Readonly<Record<string, (shared: SharedParts) => (parts: ProcessParts) => Promise<Stop>>> = {
  embedding: (shared) => startSilentApp(EmbeddingModule.embedded(shared)),
  delivery: (shared) => startSilentApp(DeliveryModule.embedded(shared)),
  scoring: (shared) => startSilentApp(ScoringModule.embedded(shared)),
  ops: (shared) => startSilentApp(OpsModule.embedded(shared)),
  realtime: (shared) => (parts) => startRealtime(RealtimeModule.embedded(shared))({ ...parts, config: withPort(parts.config) }),
  gateway: (shared) => async (parts) => startApp(await createGateway(GatewayModule.embedded(shared), parts), parts.config),
};

/**
 * The `start` of the embedded mode: all apps as Nest applications of their own in one process, on one set of parts that stand for the servers.
 *
 *     parts (Postgres: connections, journal, vectors) -> embedding, delivery, scoring, ops -> realtime -> gateway: ready
 *     SIGTERM: all apps drain side by side -> the bus writes what was acknowledged -> connections close
 *
 * @param ignored settings that were given and mean nothing here.
 * @throws ConfigError for settings that ask for more than one process.
 */
export const startStandalone = async (parts: ProcessParts, ignored: readonly string[] = []): Promise<Stop> => {
  const { config, logger } = parts;
  refuseWrong(config);
  const shared = await makeSharedParts(parts);
  const stops: Stop[] = [];
  const stop = async () => {
    const stopped = await Promise.allSettled(stops.map((stopApp) => stopApp()));
    await shared.close();
    const failed = stopped.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  };
  try {
    for (const [app, start] of Object.entries(apps))
      stops.push(await start(shared)({ ...parts, logger: createLogger(app, config.LOG_LEVEL) }));
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
  logger.info(
    { apps: Object.keys(apps) },
    'embedded mode: all apps in this one process; it cannot be run twice on one database, and there is no RabbitMQ, Redis or Chroma to look into',
  );
  if (ignored.length > 0) logger.warn({ ignored }, 'these settings name servers that the embedded mode does not use');
  return stop;
};

const refuseWrong = ({ WEB_CONCURRENCY, DB_POOL_SIZE }: Config): void => {
  if (DB_POOL_SIZE < MIN_STANDALONE_POOL) throw new ConfigError([`DB_POOL_SIZE: the embedded mode needs at least ${MIN_STANDALONE_POOL}`]);
  if (WEB_CONCURRENCY > 1)
    throw new ConfigError(['WEB_CONCURRENCY: the embedded mode is one process; for more run the services (npm start)']);
};

/** The port of the sockets: any free one beside a gateway with any. */
const withPort = (config: Config): Config => ({
  ...config,
  PORT: config.REALTIME_PORT ?? (config.PORT === 0 ? 0 : config.PORT + 1),
});
