import { Client } from 'pg';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { type FreshPlace, freshDatabase } from '#lib/testing/databases';
import { eventually } from '#lib/testing/eventually';
import { SoleOwner } from './sole-owner.js';

let database: FreshPlace;
beforeAll(async () => {
  database = await freshDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

const owner = (app: string, onLost = () => undefined, url = database.url) =>
  new SoleOwner({ DATABASE_URL: url, DB_STATEMENT_TIMEOUT_MS: 2_000 }, app, onLost);

it('one process has a database until it gives it back', async () => {
  const [first, second] = [owner('first'), owner('second')];
  expect(await first.take()).toBe(true);
  const waiting = second.take();
  first.release();
  expect(await waiting).toBe(true);
  expect(await first.take()).toBe(false);
  second.release();
});

it('a process whose connection broke takes the database again, and hears when another one was faster', async () => {
  const onLost = vi.fn<() => undefined>();
  const [first, second] = [owner('broken', onLost), owner('faster')];
  expect(await first.take()).toBe(true);
  const client = new Client({ connectionString: database.url });
  await client.connect();
  const cut = () =>
    client.query<{ pid: number }>(
      `SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'parley-broken@%'`,
    );
  const [before] = (await cut()).rows;
  await eventually(async () => {
    const { rows } = await client.query<{ pid: number }>(`SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
    expect(rows).toHaveLength(1);
    expect(rows[0]?.pid).not.toBe(before?.pid);
  });
  expect(onLost).not.toHaveBeenCalled();

  const waiting = second.take();
  for (let cuts = 0; cuts < 20 && onLost.mock.calls.length === 0; cuts += 1) {
    await cut();
    await eventually(async () => {
      const { rows } = await client.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
      expect(rows).toHaveLength(1);
    });
    if ((await Promise.race([waiting, Promise.resolve('not yet')])) === true) break;
  }
  expect(await waiting).toBe(true);
  await eventually(() => expect(onLost).toHaveBeenCalledTimes(1), { timeoutMs: 15_000 });
  await client.end();
  second.release();
  first.release();
});

it('a Postgres that does not answer is no refusal', async () => {
  await expect(owner('nowhere', undefined, 'postgres://127.0.0.1:1/parley').take()).rejects.toMatchObject({
    name: 'DependencyError',
    dependency: 'postgres',
  });
});
