import type { PostgresLane } from '../../adapters/lanes/postgres-lane.js';

/** Rows of one statement. */
const PAGE = 500;

/** Erases what one table holds of a user, as its row in `user-data.ts` says. */
export class PostgresUserData {
  private readonly statement: string;

  /** @param table names the store too. */
  constructor(
    private readonly lane: PostgresLane,
    readonly table: string,
    { rows, set }: { readonly rows: string; readonly set?: string },
  ) {
    const page = `ctid = ANY (ARRAY(SELECT ctid FROM ${table} WHERE ${rows} LIMIT ${PAGE}))`;
    this.statement = set === undefined ? `DELETE FROM ${table} WHERE ${page}` : `UPDATE ${table} SET ${set} WHERE ${page}`;
  }

  /**
   * Erases one page. `isEmpty`: there was nothing to erase. A row that another statement changes meanwhile is left to the next page. @throws
   * DependencyError.
   */
  async erase(userId: string): Promise<{ readonly count: number; readonly isEmpty: boolean }> {
    const { rowCount } = await this.lane.execute(this.statement, [userId]);
    const count = rowCount ?? 0;
    return { count, isEmpty: count === 0 };
  }
}
