import type { PoolConfig } from 'pg';
import type { Breakers } from '#lib/resilience/call/breakers';
import { databaseTimeouts } from '#lib/resilience/call/timeout-chain';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { LaneName, PoolShares } from '../../pool-budget.js';
import { PostgresLane, type StaleConnectionCutoff } from './postgres-lane.js';
import { SafeClient } from './safe-client.js';

/** How a process reaches Postgres. All times in milliseconds. */
export interface PostgresLanesOptions {
  readonly url: string;
  /** Seen in `pg_stat_activity` (R062): `parley-<app>@<host>#<pid>`, see processName. */
  readonly applicationName: string;
  /** Connections per lane (`poolShares`); a lane that the process does not use is left out. */
  readonly lanes: PoolShares;
  /** Longest wait for a connection, a new one included. */
  readonly acquireTimeoutMs: number;
  /** Postgres ends a statement after this, the client 500 ms later. */
  readonly statementTimeoutMs: number;
  /** Statements slower than this are logged and counted (R049). */
  readonly slowQueryMs: number;
  readonly breakers: Breakers;
  readonly logger: Logger;
}

// docs/concepts/resilience.md, "Numbers".
const LOCK_TIMEOUT_MS = 2_000;
const IDLE_IN_TRANSACTION_MS = 5_000;
/** An idle connection costs Postgres memory; one that is used every few seconds stays. */
const IDLE_MS = 30_000;
/** R059 "recycle": a connection that never ends keeps its memory and never sees a new server behind the same address. */
const LIFETIME_S = 1_800;

// Postgres compiles what it believes to be a dear plan, for 100 ms and more; ours are short, and without fresh statistics it believes wrongly.
const NO_JIT = '-c jit=off';

/**
 * The relay only writes what may be lost in a crash of Postgres: a removal or a lease that is forgotten means that an event is published
 * once more. So its commits do not wait for the disk, which leaves the disk to the sends. And it never reads the outbox from end to end: the
 * table looks empty to the planner, but until the next vacuum (a minute) it is full of removed rows, over which each removal would step again.
 */
const RELAY_SETTINGS = { options: `${NO_JIT} -c synchronous_commit=off -c enable_seqscan=off` };

/** What `pg` is told for each connection: every wait has a limit, the inner always the shorter (law 1). */
export const connectionSettings = (options: {
  url: string;
  applicationName: string;
  acquireTimeoutMs: number;
  statementTimeoutMs: number;
  lockTimeoutMs?: number;
}): PoolConfig & { Client: typeof SafeClient } => ({
  Client: SafeClient,
  connectionString: options.url,
  application_name: options.applicationName.slice(0, 63), // Postgres cuts names after 63 bytes, and says so in its log each time
  options: NO_JIT,
  connectionTimeoutMillis: options.acquireTimeoutMs,
  statement_timeout: options.statementTimeoutMs,
  query_timeout: databaseTimeouts({ DB_POOL_TIMEOUT_MS: options.acquireTimeoutMs, DB_STATEMENT_TIMEOUT_MS: options.statementTimeoutMs })
    .queryMs,
  lock_timeout: Math.min(options.lockTimeoutMs ?? LOCK_TIMEOUT_MS, options.statementTimeoutMs),
  idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
  idleTimeoutMillis: IDLE_MS,
  maxLifetimeSeconds: LIFETIME_S,
});

/** The named pools of a process: one lane per kind of work, each with its own connections and its own breaker. Long-lived: one per process. */
export class PostgresLanes {
  private readonly byName = new Map<LaneName, PostgresLane>();
  private closing: Promise<unknown> | undefined;

  constructor(options: PostgresLanesOptions) {
    const { acquireTimeoutMs, statementTimeoutMs, slowQueryMs, breakers, logger } = options;
    const cutoff: StaleConnectionCutoff = { madeBefore: 0, answeredAt: Number.NEGATIVE_INFINITY };
    const timeouts = databaseTimeouts({ DB_POOL_TIMEOUT_MS: acquireTimeoutMs, DB_STATEMENT_TIMEOUT_MS: statementTimeoutMs });
    const settings = connectionSettings(options);
    metrics.dbPoolSize.set(Object.values(options.lanes).reduce((sum, size) => sum + size, 0));
    for (const [name, max] of Object.entries(options.lanes) as [LaneName, number][]) {
      const pool = { ...settings, ...(name === 'relay' ? RELAY_SETTINGS : {}), max };
      this.byName.set(name, new PostgresLane({ name, pool, timeouts, slowQueryMs, breakers, logger, cutoff }));
    }
  }

  /** @throws Error for a lane that this process was not given: a mistake in its module. */
  lane(name: LaneName): PostgresLane {
    const lane = this.byName.get(name);
    if (lane === undefined) throw new Error(`this process has no Postgres lane "${name}"`);
    return lane;
  }

  /** Closes all connections, those still at work after `withinMs` by force. Closing twice is fine. */
  async close(withinMs = 2_000): Promise<void> {
    this.closing ??= Promise.all([...this.byName.values()].map((lane) => lane.close(withinMs)));
    await this.closing;
  }
}
