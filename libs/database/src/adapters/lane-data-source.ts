import pg from 'pg';
import { DataSource, type EntityManager, QueryResult, type QueryRunner } from 'typeorm';
import { entities } from './entities/entities.js';
import type { Execute, PostgresLane } from './lanes/postgres-lane.js';

type Work<T> = (manager: EntityManager) => Promise<T>;

/** Changes rows that were there: TypeORM tells their count from the rows that RETURNING gives. */
const CHANGES = new Set(['UPDATE', 'DELETE']);

/**
 * TypeORM for the cold paths (ADR 7): each statement of its repositories runs through one lane, with the lane's connections, deadline, breaker,
 * limits and error codes. It has no connections of its own: it needs no share of DB_POOL_SIZE, starts without Postgres, and closes with the lanes.
 */
export class LaneDataSource extends DataSource {
  /** Reads the entities; reaches no server. @param lane of the process, for its cold paths. */
  static async over(lane: PostgresLane): Promise<LaneDataSource> {
    const dataSource = new LaneDataSource(lane);
    await dataSource.initialize();
    return dataSource;
  }

  private constructor(private readonly lane: PostgresLane) {
    super({ type: 'postgres', driver: pg, entities, installExtensions: false, logging: false });
  }

  override async initialize(): Promise<this> {
    await this.buildMetadatas();
    return Object.assign(this, { isInitialized: true });
  }

  override async destroy(): Promise<void> {
    Object.assign(this, { isInitialized: false });
  }

  /** One statement, committed when it returns. A `save()`, which wants a transaction, is refused here. */
  override createQueryRunner(): QueryRunner {
    return this.runner((statement, values) => this.lane.execute(statement, values));
  }

  /**
   * {@link PostgresLane.transaction} with repositories: `work` may run again after a deadlock, so it must do nothing but query.
   * @throws what `work` throws, after the rollback; DependencyError when Postgres cannot.
   */
  override async transaction<T>(isolationOrWork: string | Work<T>, work?: Work<T>): Promise<T> {
    if (typeof isolationOrWork === 'string' || work !== undefined)
      throw new Error('transactions of a lane have the isolation of the database');
    return this.lane.transaction((_query, execute) =>
      isolationOrWork(Object.assign(this.runner(execute), { isTransactionActive: true }).manager),
    );
  }

  private runner(execute: Execute): QueryRunner {
    return Object.assign(super.createQueryRunner(), {
      query: async (sql: string, values: unknown[] = [], isStructured = false): Promise<unknown> => {
        const answer = await execute(sql, values);
        const result = new QueryResult();
        result.records = answer.rows;
        result.affected = answer.rowCount ?? undefined;
        result.raw = CHANGES.has(answer.command) ? [answer.rows, answer.rowCount] : answer.rows;
        return isStructured ? result : result.raw;
      },
      connect: () => Promise.reject(new Error('a repository on a lane has no connection of its own')),
      startTransaction: () =>
        Promise.reject(new Error('a transaction on a lane begins with LaneDataSource.transaction(), and does not nest')),
    });
  }
}
