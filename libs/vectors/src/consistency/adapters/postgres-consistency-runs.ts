import { ConsistencyReport, type ConsistencyRun, type ConsistencyRunKind, type ConsistencyStatus } from '#lib/contracts/admin';
import { newId } from '#lib/contracts/ids';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import type { LaneName } from '#lib/database/pool-budget';
import { ConsistencyRunsPort, MAX_STARTS, RUNS_KEPT, SCHEDULE } from '../consistency-runs.port.js';

/** Key of the advisory lock under which runs are asked for and claimed: the ASCII codes of "vector". */
const LOCK = 'SELECT pg_advisory_xact_lock(130480079566706)';

const COLUMNS = `id, kind, requested_by AS "requestedBy", requested_at AS "requestedAt", started_at AS "startedAt",
  finished_at AS "finishedAt", report, failure`;
const IS_RUNNING = 'finished_at IS NULL AND lease_until > now()';
const IS_WAITING = 'finished_at IS NULL AND (lease_until IS NULL OR lease_until <= now())';

interface Row extends Omit<ConsistencyRun, 'requestedAt' | 'startedAt' | 'finishedAt' | 'report'> {
  readonly requestedAt: Date;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly report: unknown;
}

/** The board in the table `consistency_runs`. */
export class PostgresConsistencyRuns extends ConsistencyRunsPort {
  constructor(
    private readonly lanes: PostgresLanes,
    private readonly lane: LaneName = 'work',
  ) {
    super();
  }

  async request(kind: ConsistencyRunKind, by: string): Promise<ConsistencyRun> {
    return this.connection.transaction(async (query) => {
      await query(LOCK);
      const [waiting] = await query<Row>(
        `SELECT ${COLUMNS} FROM consistency_runs WHERE kind = $1 AND requested_by <> $2 AND ${IS_WAITING}`,
        [kind, SCHEDULE],
      );
      if (waiting !== undefined) return runFrom(waiting);
      const [row] = await query<Row>(`INSERT INTO consistency_runs (id, kind, requested_by) VALUES ($1, $2, $3) RETURNING ${COLUMNS}`, [
        newId(),
        kind,
        by,
      ]);
      if (row === undefined) throw new Error('the run was not stored');
      return runFrom(row);
    });
  }

  async requestWhenDue(everyMs: number): Promise<void> {
    await this.connection.transaction(async (query) => {
      await query(LOCK);
      await query(
        `INSERT INTO consistency_runs (id, kind, requested_by)
         SELECT $1, 'repair', $3
          WHERE NOT EXISTS (SELECT FROM consistency_runs
                             WHERE finished_at IS NULL OR finished_at > now() - $2 * interval '1 millisecond')`,
        [newId(), everyMs, SCHEDULE],
      );
    });
  }

  async claim(leaseMs: number): Promise<ConsistencyRun | undefined> {
    return this.connection.transaction(async (query) => {
      await query(LOCK);
      await query(`UPDATE consistency_runs SET finished_at = now(), failure = $2 WHERE ${IS_WAITING} AND starts >= $1`, [
        MAX_STARTS,
        `was begun ${MAX_STARTS} times, and each time its process went away`,
      ]);
      const [row] = await query<Row>(
        `UPDATE consistency_runs SET started_at = now(), starts = starts + 1, lease_until = now() + $1 * interval '1 millisecond'
          WHERE id = (SELECT id FROM consistency_runs WHERE ${IS_WAITING} ORDER BY requested_at LIMIT 1)
            AND NOT EXISTS (SELECT FROM consistency_runs WHERE ${IS_RUNNING})
         RETURNING ${COLUMNS}`,
        [leaseMs],
      );
      return row === undefined ? undefined : runFrom(row);
    });
  }

  async progress(id: string, report: ConsistencyReport, leaseMs: number): Promise<boolean> {
    const rows = await this.connection.query(
      `UPDATE consistency_runs SET report = $2, lease_until = now() + $3 * interval '1 millisecond'
        WHERE id = $1 AND ${IS_RUNNING} RETURNING id`,
      [id, report, leaseMs],
    );
    return rows.length > 0;
  }

  async finish(id: string, report: ConsistencyReport): Promise<void> {
    await this.connection.query('UPDATE consistency_runs SET report = $2, finished_at = now() WHERE id = $1', [id, report]);
    await this.connection.query(
      `DELETE FROM consistency_runs WHERE finished_at < (SELECT finished_at FROM consistency_runs WHERE finished_at IS NOT NULL
        ORDER BY finished_at DESC OFFSET $1 LIMIT 1)`,
      [RUNS_KEPT - 1],
    );
  }

  async fail(id: string, reason: string): Promise<void> {
    await this.connection.query('UPDATE consistency_runs SET failure = $2, finished_at = now() WHERE id = $1', [id, reason]);
  }

  async find(id: string): Promise<ConsistencyRun | undefined> {
    const [row] = await this.connection.query<Row>(`SELECT ${COLUMNS} FROM consistency_runs WHERE id = $1`, [id]);
    return row === undefined ? undefined : runFrom(row);
  }

  async status(): Promise<ConsistencyStatus> {
    const one = async (condition: string, order: string) => {
      const [row] = await this.connection.query<Row>(
        `SELECT ${COLUMNS} FROM consistency_runs WHERE ${condition} ORDER BY ${order} LIMIT 1`,
      );
      return row === undefined ? null : runFrom(row);
    };
    return {
      waiting: await one(IS_WAITING, 'requested_at'),
      running: await one(IS_RUNNING, 'started_at'),
      last: await one('finished_at IS NOT NULL', 'finished_at DESC'),
    };
  }

  private get connection() {
    return this.lanes.lane(this.lane);
  }
}

const runFrom = ({ requestedAt, startedAt, finishedAt, report, ...row }: Row): ConsistencyRun => ({
  ...row,
  requestedAt: requestedAt.toISOString(),
  startedAt: startedAt?.toISOString() ?? null,
  finishedAt: finishedAt?.toISOString() ?? null,
  // A version before this one may have written another report: then there is none to show.
  report: ConsistencyReport.safeParse(report).data ?? null,
});
