import type { Breakers } from '#lib/resilience/call/breakers';
import type { Config } from '#lib/runtime/config/config';
import type { Logger } from '#lib/runtime/log/logger';
import { poolShares } from '../../pool-budget.js';
import { processName } from '#lib/runtime/process/process-name';
import { PostgresLanes } from './postgres-lanes.js';

/** Makes the lanes of a process of this app: its share of connections, named after it (R062). They connect by first use. */
export const lanesFor =
  (app: string) =>
  (config: Config, breakers: Breakers, logger: Logger): PostgresLanes =>
    new PostgresLanes({
      url: config.DATABASE_URL,
      applicationName: processName(app),
      lanes: poolShares(config.DB_POOL_SIZE, app),
      acquireTimeoutMs: config.DB_POOL_TIMEOUT_MS,
      statementTimeoutMs: config.DB_STATEMENT_TIMEOUT_MS,
      slowQueryMs: config.DB_SLOW_QUERY_MS,
      breakers,
      logger,
    });
