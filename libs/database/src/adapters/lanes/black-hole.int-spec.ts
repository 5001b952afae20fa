import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { errorCode } from '#lib/runtime/log/error-code';
import { eventually } from '#lib/testing/eventually';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(async () => database.drop());

// node-postgres #3399: after a client-side timeout the busy client goes back to the pool, and every later query waits behind the dead one.
describe.concurrent('a pool whose network was a black hole', { timeout: 40_000 }, () => {
  it.each([
    ['come back too', 'all'],
    ['stay dead', 'new'],
  ] as const)('recovers under traffic when the old connections %s', async (_how, reach) => {
    const proxy = await FaultProxy.before(database.url);
    const lane = database
      .otherLanes({ url: proxy.through(database.url), lanes: { reads: 4 }, acquireTimeoutMs: 500, statementTimeoutMs: 500 })
      .lane('reads');
    await Promise.all(Array.from({ length: 4 }, () => lane.query('SELECT pg_sleep(0.05)')));
    await proxy.set({ kind: 'hang' });
    const traffic = new AbortController();
    const seen: string[] = [];
    const callers = Array.from({ length: 8 }, async () => {
      while (!traffic.signal.aborted) {
        await lane.query('SELECT 1').then(
          () => seen.push('ok'),
          ({ kind }) => seen.push(kind),
        );
        // As fast as it can, but not without letting timers run.
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
    const successes = () => seen.filter((outcome) => outcome === 'ok').length;

    await eventually(() => expect(seen.at(-1)).toBe('open'));
    await proxy.set({ kind: 'pass' }, reach);
    const healedAt = performance.now();
    await eventually(() => expect(successes()).toBeGreaterThan(0), { timeoutMs: 15_000 });
    expect(performance.now() - healedAt).toBeLessThan(12_000);
    await eventually(() => expect(successes()).toBeGreaterThan(500));
    expect(seen.slice(-400)).toEqual(Array.from({ length: 400 }, () => 'ok'));
    traffic.abort();
    await Promise.all(callers);
    await proxy.stop();
  });

  it('answers with the code `timeout` meanwhile, on old connections and on new ones, which is what health shows', async () => {
    const proxy = await FaultProxy.before(database.url);
    const lane = database
      .otherLanes({ url: proxy.through(database.url), lanes: { reads: 1 }, acquireTimeoutMs: 300, statementTimeoutMs: 300 })
      .lane('reads');
    await lane.query('SELECT 1');
    await proxy.set({ kind: 'hang' });

    const codes = [];
    for (let times = 0; times < 3; times += 1) codes.push(await lane.query('SELECT 1').then(() => 'ok', errorCode));

    expect(codes).toEqual(['timeout', 'timeout', 'timeout']);
    await proxy.stop();
  });

  it('recovers when the first connection after it fails too', async () => {
    const proxy = await FaultProxy.before(database.url);
    const lane = database
      .otherLanes({ url: proxy.through(database.url), lanes: { reads: 1 }, acquireTimeoutMs: 500, statementTimeoutMs: 500 })
      .lane('reads');
    const outcome = () =>
      lane.query('SELECT 1').then(
        () => 'ok',
        ({ kind }: { kind: string }) => kind,
      );
    await proxy.set({ kind: 'hang' });
    await eventually(async () => expect(await outcome()).toBe('open'));

    await proxy.set({ kind: 'reset' });
    const overAt = performance.now();
    await eventually(async () => expect(await outcome()).toBe('unavailable'), { timeoutMs: 15_000 });
    await proxy.heal();
    await eventually(async () => expect(await outcome()).toBe('ok'), { timeoutMs: 15_000 });

    expect(performance.now() - overAt).toBeLessThan(12_000);
    await proxy.stop();
  });
});
