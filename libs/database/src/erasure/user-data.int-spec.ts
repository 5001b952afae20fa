import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { PostgresUserData } from './adapters/postgres-user-data.js';
import { userData } from './user-data.js';

/** A row for each comparison or night. */
const FEW_ROWS = new Set(['consistency_runs', 'nightly_runs']);

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

describe('what tables hold of users', () => {
  it('is said of every table of the schema, and of no other', async () => {
    const tables = await database
      .lane('work')
      .query<{ name: string }>(
        `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`,
      );
    expect(Object.keys(userData).sort()).toEqual(tables.map(({ name }) => name).sort());
  });

  it.each(Object.entries(userData).flatMap(([table, data]) => ('rows' in data ? [[table, data] as const] : [])))(
    'is asked of %s in a statement that Postgres understands',
    async (table, data) => {
      const store = new PostgresUserData(database.lane('work'), table, data);
      expect(await store.erase('a-user-without-data')).toEqual({ count: 0, isEmpty: true });
    },
  );

  it.each(
    Object.entries(userData).flatMap(([table, data]) => ('rows' in data && !FEW_ROWS.has(table) ? [[table, data.rows] as const] : [])),
  )('is found in %s without reading the whole table', async (table, rows) => {
    const plan = await database.lane('work').transaction(async (query) => {
      await query('SET LOCAL enable_seqscan = off'); // the tables are empty: a scan would be the cheapest
      return query<{ 'QUERY PLAN': string }>(`EXPLAIN SELECT ctid FROM ${table} WHERE ${rows.replaceAll('$1', `'alice'`)} LIMIT 500`);
    });
    const lines = plan.map((line) => line['QUERY PLAN']);
    expect(lines.filter((line) => line.includes('Seq Scan'))).toEqual([]);
    expect(lines.some((line) => line.includes('Index'))).toBe(true);
  });

  it('is erased in pages, and what others have stays', async () => {
    const lane = database.lane('work');
    await lane.query(
      `INSERT INTO departed_members (conversation_id, user_id, left_at, may_return)
       SELECT gen_random_uuid(), CASE WHEN i % 2 = 0 THEN 'alice' ELSE 'bob' END, now(), true FROM generate_series(1, 1200) i`,
    );
    const store = new PostgresUserData(lane, 'departed_members', { rows: 'user_id = $1' });
    expect(await store.erase('alice')).toEqual({ count: 500, isEmpty: false });
    expect(await store.erase('alice')).toEqual({ count: 100, isEmpty: false });
    expect(await store.erase('alice')).toEqual({ count: 0, isEmpty: true });
    const left = await lane.query(`SELECT user_id AS "userId", count(*)::int FROM departed_members GROUP BY 1`);
    expect(left).toEqual([{ userId: 'bob', count: 600 }]);
  });
});
