import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import type { LaneName } from '#lib/database/pool-budget';
import { processName } from '#lib/runtime/process/process-name';
import { Explained } from '#lib/devstack/terminal/explain';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { DependencyError } from '#lib/resilience/call/errors';
import { APP } from './identity.js';
import { silentLog } from './logs.js';
import { operatorConfig } from './operator-config.js';

const UNDEFINED_TABLE = '42P01';

/** Works on Postgres through one connection of this lane. @throws Explained when Postgres does not answer or is not migrated. */
export async function withLane<T>(lane: LaneName, work: (lanes: PostgresLanes) => Promise<T>): Promise<T> {
  const config = await operatorConfig();
  const lanes = new PostgresLanes({
    url: config.DATABASE_URL,
    applicationName: processName(APP),
    lanes: { [lane]: 1 },
    acquireTimeoutMs: config.DB_POOL_TIMEOUT_MS,
    statementTimeoutMs: config.DB_STATEMENT_TIMEOUT_MS,
    slowQueryMs: config.DB_SLOW_QUERY_MS,
    breakers: createBreakers(),
    logger: silentLog(),
  });
  try {
    return await work(lanes);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === UNDEFINED_TABLE) {
      throw new Explained('the database is of an earlier version: npx parley migrate');
    }
    if (!(error instanceof DependencyError)) throw error;
    throw new Explained(`Postgres at ${new URL(config.DATABASE_URL).host} does not answer: is it running?`);
  } finally {
    await lanes.close();
  }
}
