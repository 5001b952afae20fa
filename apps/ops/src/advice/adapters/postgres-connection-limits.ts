import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { ConnectionLimitsPort } from '../connection-limits.port.js';

/** Asks Postgres. */
export class PostgresConnectionLimits extends ConnectionLimitsPort {
  constructor(private readonly lane: PostgresLane) {
    super();
  }

  async maxConnections(): Promise<number> {
    const [row] = await this.lane.query<{ max: number }>(`SELECT current_setting('max_connections')::int AS max`);
    if (row === undefined) throw new Error('Postgres did not say how many connections it takes');
    return row.max;
  }
}
