import { Pool, type PoolConfig, type PoolClient, type QueryResult, type QueryResultRow } from 'pg';
import { Semaphore, SemaphoreFull } from '#lib/resilience/limit/semaphore';
import { currentDeadline } from '#lib/resilience/call/deadline';
import { DependencyCall } from '#lib/resilience/call/dependency-call';
import type { Breakers } from '#lib/resilience/call/breakers';
import { DependencyError } from '#lib/resilience/call/errors';
import type { DatabaseTimeouts } from '#lib/resilience/call/timeout-chain';
import { beginWait, enterWaitStage } from '#lib/runtime/work/work-registry';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { isTracing } from '#lib/runtime/trace/span';
import { watchPool } from '#lib/runtime/work/pools';
import { isRepeatable, sqlStateOf, translated } from './postgres-errors.js';
import { NoAnswer, type SafeClient } from './safe-client.js';

/** SQL, or SQL with a name under which each connection prepares it once: for hot statements. One name, one text. */
export type Statement = string | { readonly name: string; readonly text: string };

/** Runs one statement and gives its rows. */
export type Query = <Row extends object>(statement: Statement, values?: readonly unknown[]) => Promise<Row[]>;

/** Runs one statement and gives the whole answer: its rows, the count of rows that it changed, and its command. */
export type Execute = <Row extends object>(statement: Statement, values?: readonly unknown[]) => Promise<QueryResult<Row & QueryResultRow>>;

/** What all lanes of a process know about their connections: which may be dead, and when Postgres last answered. */
export interface StaleConnectionCutoff {
  /** Clients made before this instant (`performance.now()`) may sit on a dead connection. */
  madeBefore: number;
  /** When Postgres last answered a statement, in milliseconds of `performance.now()`. */
  answeredAt: number;
}

/** How one lane works. All times in milliseconds. */
export interface LaneOptions {
  readonly name: string;
  readonly pool: PoolConfig;
  readonly timeouts: DatabaseTimeouts;
  readonly slowQueryMs: number;
  readonly breakers: Breakers;
  readonly logger: Logger;
  readonly cutoff: StaleConnectionCutoff;
}

/** Callers that may wait for a connection; more are refused at once. As many as a process takes requests (R100). */
const MAX_WAITING = 1_000;

/**
 * How long an open breaker waits before its trial: half of what others wait. A trial that was under way when Postgres came back, and one
 * more that a busy machine makes late, must both fit into the 12 s in which a lane is promised to work again.
 */
const RESET_MS = 5_000;

/** Tries of a transaction that met a deadlock or a serialization failure. */
const TRANSACTION_TRIES = 3;

/** What runs in one transaction. */
type Transaction<T> = (query: Query, execute: Execute) => Promise<T>;

/** What a lane needs of a connection; `PoolClient` of a pool that makes SafeClients. */
type LaneClient = PoolClient & SafeClient;

/**
 * A small pool of its own for one kind of work, so that a flood of one kind cannot take the connections of another (R078).
 * Every call goes through the breaker of its lane, honours the current deadline, and ends in time whatever the network does.
 */
export class PostgresLane {
  private readonly pool: Pool;
  private readonly call: DependencyCall;
  private readonly semaphore: Semaphore;
  private readonly inUse = new Set<LaneClient>();
  private readonly unwatch: () => void;

  constructor(private readonly options: LaneOptions) {
    const { name, pool, timeouts, breakers, logger } = options;
    this.pool = new Pool(pool);
    metrics.dbPoolTimeouts.inc({ lane: name }, 0);
    this.semaphore = new Semaphore(`postgres.${name}`, { concurrent: this.size, queued: MAX_WAITING });
    // An idle client that lost its connection is already out of the pool; without a listener the process would end.
    this.pool.on('error', (error) => logger.debug({ lane: name, error: error.message }, 'idle postgres connection lost'));
    this.pool.on('acquire', (client) => this.inUse.add(client as LaneClient));
    this.pool.on('release', (_error, client) => this.inUse.delete(client as LaneClient));
    // A lane whose connections are all taken and never come back is how a service hangs for a night (R063): the watchdog looks at it.
    this.unwatch = watchPool(`postgres.${name}`, () => this.semaphore.state);
    for (const event of ['acquire', 'release', 'remove'] as const) this.pool.on(event, () => this.countConnections());
    this.call = new DependencyCall(
      {
        dependency: 'postgres',
        operation: name,
        timeoutMs: timeouts.callMs,
        resetMs: RESET_MS,
        // What is Postgres' fault arrives as a DependencyError; everything else proves that it answered.
        isItsFault: () => false,
      },
      breakers,
    );
  }

  /** Connections of this lane at most. */
  get size(): number {
    return this.options.pool.max ?? 1;
  }

  /**
   * Runs one statement, committed when it returns.
   * @throws DependencyError when Postgres cannot (kind `timeout`: it may have happened), pg's DatabaseError when statement or data are wrong.
   */
  async query<Row extends object>(statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    return this.onClient((client) => this.run<Row>(client, statement, values), nameOf(statement));
  }

  /** Like {@link query}, with the whole answer. */
  async execute<Row extends object>(statement: Statement, values: readonly unknown[] = []): Promise<QueryResult<Row & QueryResultRow>> {
    return this.onClient((client) => this.answer<Row>(client, statement, values), nameOf(statement));
  }

  /**
   * Runs `work` in one transaction, within the time of one statement all in all: PostgreSQL has a limit for the whole only since 17.
   * Run again at once, at most twice, after a deadlock or a serialization failure: `work` must do nothing but query.
   * When this rejects, nothing of it is or becomes visible, except after a `timeout` that hit the COMMIT itself: then the outcome is unknown.
   * @throws what `work` throws, after the rollback; DependencyError when Postgres cannot.
   */
  async transaction<T>(work: Transaction<T>): Promise<T> {
    return this.onClient(async (client) => {
      const limitMs = this.options.timeouts.queryMs;
      const timer = setTimeout(() => client.destroy(this.tookTooLong(limitMs)), limitMs);
      try {
        return await this.tryTransaction(client, work);
      } finally {
        clearTimeout(timer);
      }
    }, 'transaction');
  }

  /** Like {@link query}, with less time than the lane's statements have: `limitMs`. Costs three round trips more. */
  async queryWithin<Row extends object>(limitMs: number, statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    return this.transaction(async (query) => {
      await query(`SET LOCAL statement_timeout = ${Math.ceil(limitMs)}`);
      return query<Row>(statement, values);
    });
  }

  /** Closes the connections when their work is done; what still runs after `withinMs` is cut. */
  async close(withinMs: number): Promise<void> {
    this.unwatch();
    const timer = setTimeout(() => {
      for (const client of this.inUse) client.destroy(new Error('the process stops'));
    }, withinMs);
    try {
      await this.pool.end();
    } finally {
      clearTimeout(timer);
    }
  }

  private async onClient<T>(work: (client: LaneClient) => Promise<T>, what: string | undefined): Promise<T> {
    const startedAt = performance.now();
    return this.withPermit(() =>
      this.call.run(async (signal) => {
        const client = await this.acquire(signal).finally(() => {
          metrics.dbPoolWait.observe({ lane: this.options.name }, (performance.now() - startedAt) / 1_000);
        });
        const onAbort = () => client.destroy(signal.reason);
        signal.addEventListener('abort', onAbort, { once: true });
        try {
          return await work(client);
        } finally {
          signal.removeEventListener('abort', onAbort);
          client.release(!client.isFit);
        }
      }, what),
    );
  }

  /**
   * Waits in the lane's semaphore, not in pg-pool: a caller that times out there while its connection is being made hides that this
   * failed. Outside the breaker: being busy is not being broken.
   */
  private async withPermit<T>(work: () => Promise<T>): Promise<T> {
    const { name, timeouts } = this.options;
    const wait = beginWait('postgres', name);
    const enter = () => {
      wait?.end(); // the call notes what it waits for itself
      return work();
    };
    try {
      return await this.semaphore.run(enter, { signal: currentDeadline()?.signal, withinMs: timeouts.acquireMs });
    } catch (error) {
      if (!(error instanceof SemaphoreFull)) throw error;
      metrics.dbPoolTimeouts.inc({ lane: name });
      throw new DependencyError('postgres', name, 'overloaded', { cause: error });
    } finally {
      wait?.end();
    }
  }

  private async acquire(signal: AbortSignal): Promise<LaneClient> {
    enterWaitStage('connection');
    for (;;) {
      const client = await this.connect();
      if (signal.aborted) {
        client.release();
        throw signal.reason;
      }
      if (client.createdAt >= this.options.cutoff.madeBefore) {
        enterWaitStage('answer');
        return client;
      }
      client.release(true);
    }
  }

  private async connect(): Promise<LaneClient> {
    try {
      // pg-pool makes what its `Client` option says.
      return (await this.pool.connect()) as LaneClient;
    } catch (error) {
      metrics.dbConnectFailures.inc();
      throw translated(error, this.options.name);
    }
  }

  private async tryTransaction<T>(client: LaneClient, work: Transaction<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.runTransaction(client, work);
      } catch (error) {
        if (tries >= TRANSACTION_TRIES || !isRepeatable(error) || !client.isFit) throw error;
      }
    }
  }

  private async runTransaction<T>(client: LaneClient, work: Transaction<T>): Promise<T> {
    let isOpen = true;
    // A statement that outlives its transaction would run alone, committed, on whatever the client does next.
    const requireOpen = () => {
      if (!isOpen) throw new Error('this transaction has ended');
    };
    const query: Query = async (statement, values = []) => {
      requireOpen();
      return this.run(client, statement, values);
    };
    const execute: Execute = async (statement, values = []) => {
      requireOpen();
      return this.answer(client, statement, values);
    };
    await this.run(client, 'BEGIN', []);
    try {
      const result = await work(query, execute);
      isOpen = false;
      await this.commit(client);
      return result;
    } catch (error) {
      isOpen = false;
      await this.rollBack(client);
      throw error;
    }
  }

  private async commit(client: LaneClient): Promise<void> {
    const { command } = await this.timed(client, 'COMMIT', () => client.query('COMMIT'));
    // Postgres answers the COMMIT of a transaction in which a statement failed with ROLLBACK, not with an error.
    if (command !== 'COMMIT') throw new Error('the transaction was rolled back because one of its statements had failed');
  }

  private async rollBack(client: LaneClient): Promise<void> {
    if (client.isFit) return;
    try {
      await client.query('ROLLBACK');
    } catch (error) {
      // In doubt the connection goes, and with it the transaction.
      client.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private async run<Row extends object>(client: LaneClient, statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    const { rows } = await this.answer<Row>(client, statement, values);
    return rows;
  }

  private answer<Row extends object>(
    client: LaneClient,
    statement: Statement,
    values: readonly unknown[],
  ): Promise<QueryResult<Row & QueryResultRow>> {
    const config = typeof statement === 'string' ? { text: statement } : statement;
    return this.timed(client, statement, () => client.query<Row & QueryResultRow>({ ...config, values: [...values] }));
  }

  private async timed<T>(client: LaneClient, statement: Statement, run: () => Promise<T>): Promise<T> {
    const { name, cutoff } = this.options;
    const startedAt = performance.now();
    try {
      const answer = await run();
      cutoff.answeredAt = performance.now();
      return answer;
    } catch (failure) {
      // pg only says that such a client is not queryable.
      const error = client.destroyedBecause ?? failure;
      const answersOthers = this.answersOthers();
      if (sqlStateOf(error) !== undefined) cutoff.answeredAt = performance.now();
      // Rarely a slow statement (Postgres ends those itself): nothing comes back at all. The other connections of that time share its fate.
      if (error instanceof NoAnswer) cutoff.madeBefore = performance.now();
      throw translated(error, name, answersOthers);
    } finally {
      const durationMs = performance.now() - startedAt;
      if (durationMs > this.options.slowQueryMs) this.reportSlow(statement, durationMs);
    }
  }

  private reportSlow(statement: Statement, durationMs: number): void {
    const { name: lane, logger } = this.options;
    metrics.dbSlowQueries.inc({ lane });
    // Never the values: they hold what people wrote.
    const shown = typeof statement === 'string' ? statement.replaceAll(/\s+/g, ' ').trim().slice(0, 80) : statement.name;
    logger.warn({ lane, statement: shown, durationMs: Math.round(durationMs) }, 'slow query');
  }

  /**
   * Whether Postgres answered any statement of this process in the second half of the time that a statement has. A Postgres that hangs
   * answers no statement; one that is busy with one text (some of its functions cannot be interrupted) answers the others.
   */
  private answersOthers(): boolean {
    const { cutoff, timeouts } = this.options;
    return cutoff.answeredAt > performance.now() - timeouts.queryMs / 2;
  }

  private tookTooLong(limitMs: number): DependencyError {
    const cause = new Error(`the transaction took longer than ${limitMs} ms`);
    return new DependencyError('postgres', this.options.name, 'timeout', { cause, isAttributable: this.answersOthers() });
  }

  private countConnections(): void {
    const { name: lane } = this.options;
    metrics.dbConnUsage.set({ lane, state: 'active' }, this.inUse.size);
    metrics.dbConnUsage.set({ lane, state: 'idle' }, this.pool.totalCount - this.inUse.size);
  }
}

/** What a span may say of a statement: its name, else its first word. */
const nameOf = (statement: Statement): string | undefined => {
  if (!isTracing()) return undefined;
  return typeof statement === 'string' ? (/[a-z]+/i.exec(statement)?.[0] ?? 'query') : statement.name;
};
