import { setTimeout as sleep } from 'node:timers/promises';
import { checkPoolBudget } from '#lib/database/adapters/lanes/check-pool-budget';
import { grantServiceRoles } from '#lib/database/adapters/grant-service-roles';
import { migrate } from '#lib/database/adapters/migrate';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { budgetedProcesses } from '#lib/database/pool-budget';
import { processName } from '#lib/runtime/process/process-name';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { DependencyError } from '#lib/resilience/call/errors';
import type { Config } from '#lib/runtime/config/config';
import type { Logger } from '#lib/runtime/log/logger';

/** Postgres after an unclean stop replays its log first; one that takes longer than this needs a person. */
const WAIT_FOR_POSTGRES_MS = 30_000;
const ASK_EVERY_MS = 500;
/** For all migrations together: building an index over some ten million messages takes minutes. */
const MIGRATE_WITHIN_MS = 600_000;

/**
 * The step before a rollout: waits for Postgres, checks that its connections suffice for all processes (R057), runs the migrations that
 * are missing, and gives each service's role what it needs. Safe to repeat and to run several times at once.
 * @returns the names of the migrations that it ran; none when the schema was up to date.
 * @throws DependencyError when Postgres does not answer within 30 s; ConfigError for a connection budget that does not fit;
 * the error of the migration that failed, with all of it undone.
 */
export async function bringUpToDate(config: Config, logger: Logger): Promise<string[]> {
  await waitForPostgres(config, logger);
  const migrations = await migrate({ url: config.DATABASE_URL, logger, deadlineMs: MIGRATE_WITHIN_MS });
  await grantServiceRoles({ url: config.DATABASE_URL, rolePasswords: config.DB_ROLE_PASSWORDS, logger });
  return migrations;
}

async function waitForPostgres(config: Config, logger: Logger): Promise<void> {
  const endsAt = performance.now() + WAIT_FOR_POSTGRES_MS;
  for (let tries = 1; ; tries++) {
    try {
      return await checkConnections(config, logger);
    } catch (error) {
      if (!mayComeUp(error) || performance.now() > endsAt) throw error;
      if (tries === 1) logger.info({ waitMs: WAIT_FOR_POSTGRES_MS }, 'waiting for Postgres');
      await sleep(ASK_EVERY_MS);
    }
  }
}

async function checkConnections(config: Config, logger: Logger): Promise<void> {
  const lanes = new PostgresLanes({
    url: config.DATABASE_URL,
    applicationName: processName('migrate'),
    lanes: { health: 1 },
    acquireTimeoutMs: config.DB_POOL_TIMEOUT_MS,
    statementTimeoutMs: config.DB_STATEMENT_TIMEOUT_MS,
    slowQueryMs: config.DB_SLOW_QUERY_MS,
    breakers: createBreakers(), // new ones for each try: an open breaker would make us wait for it instead of for Postgres
    logger,
  });
  try {
    const declared = { processes: budgetedProcesses(config), poolSize: config.DB_POOL_SIZE };
    await checkPoolBudget(lanes.lane('health'), declared, { logger, whenExceeded: 'refuse' });
  } finally {
    await lanes.close();
  }
}

/** A wrong password (class 28) or database name (3D000) stays wrong. */
function mayComeUp(error: unknown): boolean {
  if (!(error instanceof DependencyError)) return false;
  const { cause } = error;
  return !(cause instanceof Error && 'code' in cause && /^(28|3D000)/.test(String(cause.code)));
}
