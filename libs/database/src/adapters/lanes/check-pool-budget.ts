import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { type PoolBudget, poolBudget, requirePoolBudget } from '../../pool-budget.js';
import type { PostgresLane } from './postgres-lane.js';

/**
 * Asks Postgres how many connections it has and logs the arithmetic of R057. When the processes do not fit, `whenExceeded` decides:
 * `refuse` throws (for `migrate`, the step before a rollout, where stopping costs nothing), `warn` logs (for a service that is being
 * scaled out: refusing to start would turn a possible shortage of connections into a certain shortage of processes).
 * @throws ConfigError with the arithmetic; DependencyError when Postgres cannot answer.
 */
export const checkPoolBudget = async (
  lane: PostgresLane,
  declared: { processes: number; poolSize: number },
  { logger, whenExceeded }: { logger: Logger; whenExceeded: 'refuse' | 'warn' },
): Promise<PoolBudget> => {
  const [limits] = await lane.query<{ max: number; reserved: number }>(
    `SELECT current_setting('max_connections')::int AS max, current_setting('superuser_reserved_connections')::int AS reserved`,
  );
  if (limits === undefined) throw new Error('Postgres did not say how many connections it has');
  const budget = poolBudget({ ...declared, maxConnections: limits.max, superuserReserved: limits.reserved });
  metrics.connectionBudgetRatio.set(budget.needed / budget.available);
  if (budget.fits) {
    logger.info({ needed: budget.needed, available: budget.available }, `connection budget: ${budget.explanation}`);
    return budget;
  }
  if (whenExceeded === 'refuse') requirePoolBudget(budget);
  logger.warn({ needed: budget.needed, available: budget.available }, `connection budget exceeded: ${budget.explanation}`);
  return budget;
};
