import { exponential } from '#lib/runtime/work/backoff';
import { within } from '#lib/runtime/work/within';
import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import { remainingMs, withDeadline } from '#lib/resilience/call/deadline';
import type { Logger } from '#lib/runtime/log/logger';
import { processName } from '#lib/runtime/process/process-name';
import { createDataSource } from './data-source.js';
import { connectionSettings } from './lanes/postgres-lanes.js';
import { SafeClient } from './lanes/safe-client.js';

/** Which database to bring up to date, and how long that may take. */
export interface MigrateOptions {
  readonly url: string;
  readonly logger: Logger;
  /** For everything: reaching Postgres, waiting for another start that migrates, and migrating. Default 2 minutes. */
  readonly deadlineMs?: number;
}

/** Key of the advisory lock: the ASCII codes of "parley". */
const MIGRATION_LOCK = 0x70_61_72_6c_65_79;
const CONNECT_TIMEOUT_MS = 2_000;
const CONNECT_BACKOFF = { baseMs: 100, capMs: 2_000 } as const;
const CLOSE_MS = 2_000;
// A lock queue behind a migration stops the whole service, so it gives up soon and is run again.
const LOCK_TIMEOUT_MS = 5_000;

/**
 * Runs the migrations that this database does not have yet, each in a transaction of its own. Safe to call from several starts at
 * once: one works, the others wait for it. Waits for a Postgres that is still starting.
 * @returns the names of those that were run, in order.
 * @throws DeadlineExceeded when the time is over; the error of the migration that failed, with all of it undone.
 */
export const migrate = async ({ url, logger, deadlineMs = 120_000 }: MigrateOptions): Promise<string[]> =>
  withDeadline(deadlineMs, async ({ signal }) => {
    const lock = await connected(url, deadlineMs, signal);
    try {
      await takeTurn(lock, signal);
      return await runPending(url, logger, deadlineMs, signal);
    } finally {
      // The lock lives as long as this connection.
      lock.destroy(new Error('migration finished'));
    }
  });

const connected = async (url: string, statementTimeoutMs: number, signal: AbortSignal): Promise<SafeClient> => {
  for (let failures = 1; ; failures += 1) {
    const waitMs = exponential(failures, CONNECT_BACKOFF);
    const settings = { url, applicationName: processName('migrate'), acquireTimeoutMs: CONNECT_TIMEOUT_MS, statementTimeoutMs };
    const client = new SafeClient(connectionSettings(settings));
    try {
      await client.connect();
      return client;
    } catch (error) {
      client.destroy(new Error('could not connect'));
      if (!mayComeUp(error) || remainingMs() < waitMs) throw error;
    }
    await sleep(waitMs, undefined, { signal });
  }
};

// A server that starts refuses connections or says 57P03; a wrong password or database name stays wrong.
const mayComeUp = (error: unknown): boolean => !(error instanceof DatabaseError) || error.code === '57P03' || error.code === '53300';

const takeTurn = async (client: SafeClient, signal: AbortSignal): Promise<void> => {
  // Asked again and again instead of waiting inside Postgres: a wait there would hold a snapshot, which CREATE INDEX CONCURRENTLY
  // of the one who works would wait for in turn.
  for (;;) {
    const { rows } = await client.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [MIGRATION_LOCK]);
    if (rows[0]?.mine === true) return;
    await sleep(200, undefined, { signal });
  }
};

const runPending = async (url: string, logger: Logger, statementTimeoutMs: number, signal: AbortSignal): Promise<string[]> => {
  const name = processName('migrate');
  const dataSource = createDataSource({
    url,
    applicationName: name,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    statementTimeoutMs,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
    logger,
  });
  await dataSource.initialize();
  try {
    signal.throwIfAborted();
    const startedAt = performance.now();
    const done = await dataSource.runMigrations();
    const names = done.map((migration) => migration.name);
    for (const migration of names) logger.info({ migration }, 'migrated');
    logger.info({ count: names.length, durationMs: Math.round(performance.now() - startedAt) }, 'schema is up to date');
    return names;
  } finally {
    await within(CLOSE_MS, dataSource.destroy());
  }
};
