import { type LockWait, LockWaitsPort } from '../lock-waits.port.js';
import type { PostgresLane } from './lanes/postgres-lane.js';

/** More waits than this say nothing more. */
const LISTED = 100;

const LOCK_WAITS = `
  SELECT waiting.pid, waiting.application_name AS application, waiting.wait_event AS lock,
         extract(epoch FROM clock_timestamp() - waiting.query_start)::float8 AS "waitingSeconds",
         blockers.list AS "blockedBy"
  FROM pg_stat_activity waiting
  CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(json_build_object(
             'pid', holder.pid, 'application', holder.application_name, 'state', holder.state,
             'transactionSeconds', extract(epoch FROM clock_timestamp() - holder.xact_start))), '[]') AS list
    FROM pg_stat_activity holder WHERE holder.pid = ANY (pg_blocking_pids(waiting.pid))
  ) blockers
  WHERE waiting.application_name LIKE 'parley-%' AND waiting.wait_event_type = 'Lock'
  ORDER BY waiting.query_start
  LIMIT ${LISTED}`;

/** Asks Postgres which process waits for which. Only for statements that do wait: `pg_blocking_pids` stops the lock manager for a moment. */
export class PostgresLockWaits extends LockWaitsPort {
  /** @param health the lane that is free when all others are taken. */
  constructor(private readonly health: PostgresLane) {
    super();
  }

  override async read(): Promise<LockWait[]> {
    return this.health.query<LockWait>({ name: 'lock-waits', text: LOCK_WAITS });
  }
}
