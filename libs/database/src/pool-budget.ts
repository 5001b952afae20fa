import { type Config, ConfigError } from '#lib/runtime/config/config';

/** Kinds of work with connections of their own. `work` is what a consumer or a job does, `journal` what the bus of the embedded mode keeps. */
export const laneNames = ['sends', 'reads', 'edits', 'relay', 'work', 'journal', 'health'] as const;
export type LaneName = (typeof laneNames)[number];

/** Connections per lane of one process. */
export type PoolShares = Readonly<Partial<Record<LaneName, number>>>;

/**
 * Splits the connections of one process over its lanes; the sum is exactly `poolSize` (at least 6, `DB_POOL_SIZE`).
 * The gateway sends, reads and edits. A send holds its connection for one shared commit, so a few serve many users; but there are always
 * two: one commit may wait for a conversation that another process holds, and the others must not wait with it. Edits are rare and have
 * connections of their own, because one heavy text holds one for as long as a statement may take. Reads get the rest.
 * The process that is all apps has every lane, and one for its journal, which two need: a commit, and a read beside it.
 * Realtime sends and reads: who hears what, what a client missed, and receipts. Every other app works, and sends, reads and edits nothing of its own.
 */
export const poolShares = (poolSize: number, app: string): PoolShares => {
  const relay = poolSize >= 8 ? 2 : 1;
  if (app === STANDALONE) return standaloneShares(poolSize, relay);
  if (app !== 'gateway' && app !== 'realtime') return { work: poolSize - relay - 1, relay, health: 1 };
  const edits = app === 'realtime' ? 0 : poolSize >= 12 ? 2 : 1;
  const rest = poolSize - relay - edits - 1;
  const sends = Math.max(2, Math.min(4, Math.floor(rest / 2)));
  return { sends, reads: rest - sends, ...(edits > 0 && { edits }), relay, health: 1 };
};

/** The process that is all apps. */
const STANDALONE = 'standalone';
/** With fewer connections one of its lanes would have none, or its sends only one. */
export const MIN_STANDALONE_POOL = 10;

const standaloneShares = (poolSize: number, relay: number): PoolShares => {
  const journal = poolSize >= 12 ? 2 : 1;
  const rest = poolSize - relay - journal - 2;
  const sends = Math.max(2, Math.floor(rest / 5));
  const work = Math.floor((2 * rest) / 5);
  return { sends, reads: rest - sends - work, edits: 1, work, relay, journal, health: 1 };
};

/** Connections that Parley does not use all the time but must find when it needs them: a migration (2) and an operator's psql. */
const MAINTENANCE_CONNECTIONS = 3;

/** Processes that the connection budget counts: a gateway pod stands in DB_POOL_BUDGET_PROCESSES once, and has WEB_CONCURRENCY of them. */
export const budgetedProcesses = (
  config: Pick<Config, 'DB_POOL_BUDGET_PROCESSES' | 'DB_POOL_BUDGET_GATEWAYS' | 'WEB_CONCURRENCY'>,
): number => config.DB_POOL_BUDGET_PROCESSES + config.DB_POOL_BUDGET_GATEWAYS * (config.WEB_CONCURRENCY - 1);

/** The arithmetic of R057 for one Postgres. */
export interface PoolBudget {
  readonly fits: boolean;
  /** Connections for all processes: max_connections minus the superuser's reserve. */
  readonly available: number;
  readonly needed: number;
  /** The whole sum as a sentence for the log. */
  readonly explanation: string;
}

/**
 * Whether all processes together fit into Postgres (R057 with ruling C6: pods x workers x pool, every process has its own pool;
 * the superuser's reserve is not ours).
 */
export const poolBudget = (limits: {
  maxConnections: number;
  superuserReserved: number;
  /** Parley processes that share this Postgres, all pods and workers counted (`DB_POOL_BUDGET_PROCESSES`). */
  processes: number;
  poolSize: number;
}): PoolBudget => {
  const { maxConnections, superuserReserved, processes, poolSize } = limits;
  const available = maxConnections - superuserReserved;
  const needed = processes * poolSize + MAINTENANCE_CONNECTIONS;
  const fits = needed <= available;
  const sum = `${processes} processes x ${poolSize} connections + ${MAINTENANCE_CONNECTIONS} for maintenance = ${needed}`;
  const limit = `max_connections ${maxConnections} - ${superuserReserved} reserved = ${available}`;
  const advice = 'lower DB_POOL_SIZE, WEB_CONCURRENCY or DB_POOL_BUDGET_PROCESSES, raise max_connections, or put a pooler in between';
  return { fits, available, needed, explanation: fits ? `${sum} <= ${limit}` : `${sum} > ${limit}: ${advice}` };
};

/** Refuses a budget that does not fit. @throws ConfigError with the arithmetic. */
export const requirePoolBudget = (budget: PoolBudget): void => {
  if (!budget.fits) throw new ConfigError([`DB_POOL_SIZE: ${budget.explanation}`]);
};
