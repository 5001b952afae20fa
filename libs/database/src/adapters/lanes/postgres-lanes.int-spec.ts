import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DependencyError } from '#lib/resilience/call/errors';
import { runInContext } from '#lib/runtime/log/context';
import { createLogger } from '#lib/runtime/log/logger';
import { eventually } from '#lib/testing/eventually';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { checkPoolBudget } from './check-pool-budget.js';
import { createDataSource } from '../data-source.js';
import type { PostgresLane } from './postgres-lane.js';
import type { PostgresLanesOptions } from './postgres-lanes.js';

let database: MigratedDatabase;
let proxy: FaultProxy;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
  await database.lane('work').query('CREATE TABLE notes (id int PRIMARY KEY, text text)');
});
afterAll(async () => database.drop());
beforeEach(async () => {
  await database.lane('work').query('TRUNCATE notes');
  proxy = await FaultProxy.before(database.url);
});
afterEach(async () => proxy.stop());

/** A lane of its own through the proxy, with short limits. */
const laneThroughProxy = (size: number, settings: Partial<PostgresLanesOptions> = {}): PostgresLane =>
  database
    .otherLanes({ url: proxy.through(database.url), lanes: { reads: size }, acquireTimeoutMs: 500, statementTimeoutMs: 500, ...settings })
    .lane('reads');
const notes = async (): Promise<number[]> =>
  (await database.lane('work').query<{ id: number }>('SELECT id FROM notes ORDER BY id')).map(({ id }) => id);
const outcomeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: unknown) => (error instanceof DependencyError ? error.kind : String(error)),
  );
const backends = async (state: string): Promise<number> => {
  const [row] = await database
    .lane('work')
    .query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE $1`,
      [state],
    );
  return row?.count ?? 0;
};

it('a lane compiles no statement, and waits for the disk everywhere but in the relay', async () => {
  const settingsOf = async (name: 'reads' | 'relay') => {
    const lane = database.otherLanes({ lanes: { [name]: 1 } }).lane(name);
    return lane.query(`SELECT current_setting('jit') AS jit, current_setting('synchronous_commit') AS commit`);
  };
  expect(await settingsOf('reads')).toEqual([{ jit: 'off', commit: 'on' }]);
  expect(await settingsOf('relay')).toEqual([{ jit: 'off', commit: 'off' }]);
});

// TypeORM and pg: the ROLLBACK of a stalled transaction is never sent, the connection is pooled with it, the next COMMIT commits it.
describe('a transaction that was reported failed', () => {
  const aLaterTransaction = (lane: PostgresLane) =>
    eventually(() => lane.transaction(async (query) => query('INSERT INTO notes VALUES (99) ON CONFLICT DO NOTHING')));

  it('never becomes visible after a client-side timeout in its middle', async () => {
    const lane = laneThroughProxy(1);
    const outcome = outcomeOf(
      lane.transaction(async (query) => {
        await query('INSERT INTO notes VALUES (1)');
        await proxy.set({ kind: 'hang' });
        await query('INSERT INTO notes VALUES (2)');
      }),
    );
    expect(await outcome).toBe('timeout');
    // The old connection works again: a pool that had kept it would now commit what it holds.
    await proxy.heal();
    await aLaterTransaction(lane);
    expect(await notes()).toEqual([99]);
    await eventually(async () => expect(await backends('idle in transaction%')).toBe(0));
    expect(await notes()).toEqual([99]);
  });

  it('never becomes visible after its caller ran out of time', async () => {
    const lane = laneThroughProxy(1);
    const work = withDeadline(150, () =>
      lane.transaction(async (query) => {
        await query('INSERT INTO notes VALUES (1)');
        await query('SELECT pg_sleep(0.4)');
      }),
    );
    await expect(work).rejects.toThrow(/timeout|deadline/);
    await aLaterTransaction(lane);
    await eventually(async () => expect(await backends('active')).toBe(0));
    expect(await notes()).toEqual([99]);
  });

  it('never becomes visible when its work dawdles between two statements', async () => {
    const lane = laneThroughProxy(1);
    const { promise: dawdled, resolve: goOn } = Promise.withResolvers<void>();
    const outcome = await outcomeOf(
      lane.transaction(async (query) => {
        await query('INSERT INTO notes VALUES (1)');
        await dawdled;
        await query('INSERT INTO notes VALUES (2)');
      }),
    );
    goOn();
    expect(outcome).toBe('timeout');
    await aLaterTransaction(lane);
    expect(await notes()).toEqual([99]);
  });

  it('takes no statement after its end', async () => {
    const lane = laneThroughProxy(1);
    let late: (() => Promise<unknown>) | undefined;
    await expect(
      lane.transaction(async (query) => {
        late = () => query('INSERT INTO notes VALUES (1)');
        throw new Error('changed its mind');
      }),
    ).rejects.toThrow('changed its mind');
    await expect(late?.()).rejects.toThrow('this transaction has ended');
    await aLaterTransaction(lane);
    expect(await notes()).toEqual([99]);
  });

  it('is rolled back, and says so, when its work swallowed the error of a statement', async () => {
    const lane = laneThroughProxy(1);
    const work = lane.transaction(async (query) => {
      await query('INSERT INTO notes VALUES (1)');
      await query('SELECT 1 / 0').catch(() => undefined);
    });
    await expect(work).rejects.toThrow('rolled back');
    await aLaterTransaction(lane);
    expect(await notes()).toEqual([99]);
  });

  it('never becomes visible through the pool of TypeORM either', async () => {
    const dataSource = createDataSource({
      url: proxy.through(database.url),
      applicationName: 'parley-test',
      connectTimeoutMs: 500,
      statementTimeoutMs: 500,
      lockTimeoutMs: 500,
      logger: createLogger('test', 'silent'),
    });
    await dataSource.initialize();
    const work = dataSource.transaction(async (manager) => {
      await manager.query('INSERT INTO notes VALUES (1)');
      await proxy.set({ kind: 'hang' });
      await manager.query('INSERT INTO notes VALUES (2)');
    });
    await expect(work).rejects.toThrow('no answer within');
    await proxy.heal();
    await eventually(() => dataSource.transaction((manager) => manager.query('INSERT INTO notes VALUES (99) ON CONFLICT DO NOTHING')));
    expect(await notes()).toEqual([99]);
    await dataSource.destroy();
  });
});

describe('a lane', () => {
  it('fails in time, and then at once, when no server listens, and heals by itself', { timeout: 30_000 }, async () => {
    await proxy.set({ kind: 'refuse' });
    const lane = laneThroughProxy(2);
    const startedAt = performance.now();
    for (let i = 0; i < 5; i += 1) expect(await outcomeOf(lane.query('SELECT 1'))).toBe('unavailable');
    expect(performance.now() - startedAt).toBeLessThan(2_500); // five limits of a connect
    expect(await outcomeOf(lane.query('SELECT 1'))).toBe('open'); // not even tried
    await proxy.heal();
    await eventually(async () => expect(await outcomeOf(lane.query('SELECT 1'))).toBe('ok'), { timeoutMs: 12_000 });
  });

  it('gives up in time when a connection cannot be made', async () => {
    await proxy.set({ kind: 'hang' });
    const lane = laneThroughProxy(1);
    const startedAt = performance.now();
    expect(await outcomeOf(lane.query('SELECT 1'))).toBe('unavailable');
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });

  it('refuses in time when all its connections are taken, which is not the fault of Postgres', async () => {
    const breakers = createBreakers();
    const lane = laneThroughProxy(1, { breakers, statementTimeoutMs: 3_000 });
    const busy = lane.query('SELECT pg_sleep(2)');
    await eventually(async () => expect(await backends('active')).toBe(1));
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => outcomeOf(lane.query('SELECT 1'))));
    expect(new Set(outcomes)).toEqual(new Set(['overloaded']));
    await busy;
    expect([await outcomeOf(lane.query('SELECT 1')), breakers.stateOf('postgres')]).toEqual(['ok', 'closed']);
  });

  it('lets Postgres end a statement that takes too long, and keeps the connection', async () => {
    const lane = laneThroughProxy(1);
    const pid = async () => (await lane.query<{ pid: number }>('SELECT pg_backend_pid() AS pid'))[0]?.pid;
    const before = await pid();
    expect(await outcomeOf(lane.query('SELECT pg_sleep(3)'))).toBe('timeout');
    expect(await pid()).toBe(before);
  });

  it('is not taken from others by one caller whose statements take too long', { timeout: 20_000 }, async () => {
    const breakers = createBreakers();
    const lane = laneThroughProxy(2, { breakers, statementTimeoutMs: 200 });
    const slowFor = (userId: string) => runInContext({ userId }, () => outcomeOf(lane.query('SELECT pg_sleep(3)')));
    for (let i = 0; i < 8; i += 1) expect(await slowFor('mallory')).toBe('timeout');
    expect([await outcomeOf(lane.query('SELECT 1')), breakers.stateOf('postgres')]).toEqual(['ok', 'closed']);
    // Several callers who meet the same: it is Postgres that is slow.
    for (let i = 0; breakers.stateOf('postgres') === 'closed' && i < 20; i += 1) await slowFor(`user-${i % 3}`);
    expect(breakers.stateOf('postgres')).toBe('open');
  });

  it('does not take a statement that cannot be interrupted for a Postgres that hangs', { timeout: 20_000 }, async () => {
    const breakers = createBreakers();
    const lanes = database.otherLanes({ breakers, lanes: { reads: 1, work: 1 }, acquireTimeoutMs: 5_000, statementTimeoutMs: 500 });
    const traffic = new AbortController();
    const beside = (async () => {
      while (!traffic.signal.aborted) {
        expect(await outcomeOf(lanes.lane('work').query('SELECT 1'))).toBe('ok');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    for (let i = 0; i < 6; i += 1) {
      const outcome = runInContext({ userId: 'mallory' }, () =>
        lanes.lane('reads').transaction(async (query) => {
          await query('SET LOCAL statement_timeout = 0');
          await query('SELECT pg_sleep(5)');
        }),
      );
      expect(await outcomeOf(outcome)).toBe('timeout');
    }
    expect(breakers.stateOf('postgres')).toBe('closed');
    traffic.abort();
    await beside;
  });

  it('gives up on a lock that another transaction holds, and does not blame Postgres', async () => {
    await database.lane('work').query('INSERT INTO notes VALUES (1)');
    const breakers = createBreakers();
    const lane = database.otherLanes({ lanes: { reads: 1 }, statementTimeoutMs: 3_000, breakers }).lane('reads');
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const holder = database.otherLanes({ lanes: { work: 1 }, statementTimeoutMs: 8_000 }).lane('work');
    const held = holder.transaction(async (query) => {
      await query('UPDATE notes SET text = $1', ['mine']);
      await released;
    });
    await eventually(async () => expect(await backends('idle in transaction')).toBe(1));
    // Its limit for locks, which is shorter than that of a statement: a statement that is too late is a `timeout`.
    expect(await outcomeOf(lane.query('UPDATE notes SET text = $1', ['yours']))).toBe('overloaded');
    expect(breakers.stateOf('postgres')).toBe('closed');
    release();
    await held;
  });

  it('passes on what is wrong with a statement or its data, without blaming Postgres', async () => {
    const breakers = createBreakers();
    const lane = laneThroughProxy(1, { breakers });
    await lane.query('INSERT INTO notes VALUES (1)');
    for (let i = 0; i < 10; i += 1) await expect(lane.query('INSERT INTO notes VALUES (1)')).rejects.toMatchObject({ code: '23505' });
    await expect(lane.query('SELECT nonsense')).rejects.toMatchObject({ code: '42703' });
    expect(breakers.stateOf('postgres')).toBe('closed');
  });

  it('is back with the next query when its connections were terminated', async () => {
    const lane = laneThroughProxy(2, { applicationName: 'parley-doomed@host#1' });
    await lane.query('SELECT 1');
    const [row] = await database
      .lane('work')
      .query(`SELECT count(pg_terminate_backend(pid))::int AS ended FROM pg_stat_activity WHERE application_name = 'parley-doomed@host#1'`);
    expect(row).toEqual({ ended: 1 });
    await eventually(async () => expect(await outcomeOf(lane.query('SELECT 1'))).toBe('ok'));
  });

  it('gives no other caller the connection of one that ran out of time', async () => {
    const lane = laneThroughProxy(1, { statementTimeoutMs: 5_000, acquireTimeoutMs: 5_000 });
    await expect(withDeadline(100, () => lane.query('SELECT pg_sleep(4)'))).rejects.toThrow(/timeout|deadline/);
    const startedAt = performance.now();
    expect(await outcomeOf(lane.query('SELECT 1'))).toBe('ok');
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });

  it('runs a transaction again after a deadlock', async () => {
    await database.lane('work').query('INSERT INTO notes VALUES (1), (2)');
    const lane = database.otherLanes({ lanes: { reads: 2 }, statementTimeoutMs: 5_000 }).lane('reads');
    let meetings = 0;
    const both = Promise.withResolvers<void>();
    const crossing = (first: number, second: number) =>
      lane.transaction(async (query) => {
        await query('UPDATE notes SET text = $2 WHERE id = $1', [first, 'x']);
        meetings += 1;
        if (meetings >= 2) both.resolve();
        await both.promise;
        await query('UPDATE notes SET text = $2 WHERE id = $1', [second, 'x']);
      });
    await Promise.all([crossing(1, 2), crossing(2, 1)]);
    expect(meetings).toBeGreaterThanOrEqual(3);
  });

  it('logs slow statements by name or beginning, never with their values', async () => {
    const lines = new PassThrough();
    const lane = laneThroughProxy(1, { slowQueryMs: 150, logger: pino(lines) });
    await lane.query({ name: 'slow-one', text: 'SELECT pg_sleep(0.2), $1::text' }, ['secret text']);
    await lane.query(`SELECT pg_sleep(0.2),\n    ${'1 + '.repeat(100)} $1::int`, [42]);
    await lane.query('SELECT 1');
    const logged = String(lines.read()).trim().split('\n');
    expect(logged).toHaveLength(2);
    expect(JSON.parse(logged[0] ?? '')).toMatchObject({ lane: 'reads', statement: 'slow-one', durationMs: expect.any(Number) });
    expect(JSON.parse(logged[1] ?? '').statement).toBe(`SELECT pg_sleep(0.2), ${'1 + '.repeat(20)}`.slice(0, 80));
    expect(logged.join()).not.toContain('secret');
  });

  it('shows its name in pg_stat_activity', async () => {
    const lane = laneThroughProxy(1, { applicationName: `parley-gateway@${'h'.repeat(80)}#1` });
    const [row] = await lane.query<{ name: string }>(`SELECT application_name AS name FROM pg_stat_activity WHERE pid = pg_backend_pid()`);
    expect(row?.name).toBe(`parley-gateway@${'h'.repeat(80)}#1`.slice(0, 63));
  });

  it('closes in time while Postgres does not answer', async () => {
    const applicationName = 'closes-in-time';
    const lanes = database.otherLanes({
      url: proxy.through(database.url),
      lanes: { reads: 2 },
      statementTimeoutMs: 20_000,
      applicationName,
    });
    await lanes.lane('reads').query('SELECT 1');
    const work = outcomeOf(lanes.lane('reads').query('SELECT pg_sleep(10)'));
    await eventually(async () => {
      const sleeping = `SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND state = 'active'`;
      expect(await database.lane('work').query(sleeping, [applicationName])).toHaveLength(1);
    });
    await proxy.set({ kind: 'hang' });
    const startedAt = performance.now();
    await lanes.close(100);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect(await work).toBe('unavailable');
  });
});

describe('the connection budget', () => {
  it('is computed from the limits of Postgres, and refuses what does not fit', async () => {
    const logger = createLogger('test', 'silent');
    const ask = (processes: number, whenExceeded: 'refuse' | 'warn') =>
      checkPoolBudget(database.lane('work'), { processes, poolSize: 10 }, { logger, whenExceeded });
    const rows = await database.lane('work').query<{ max: number }>(`SELECT current_setting('max_connections')::int AS max`);
    const max = rows[0]?.max ?? 0;
    const most = Math.floor((max - 6) / 10); // 3 for the superuser, 3 for maintenance
    expect(await ask(most, 'refuse')).toMatchObject({ fits: true, available: max - 3, needed: 10 * most + 3 });
    expect(await ask(most + 1, 'warn')).toMatchObject({ fits: false, needed: 10 * most + 13 });
    const sum = `${most + 1} processes x 10 connections + 3 for maintenance = ${10 * most + 13} > max_connections ${max} - 3`;
    await expect(ask(most + 1, 'refuse')).rejects.toThrow(sum);
  });
});
