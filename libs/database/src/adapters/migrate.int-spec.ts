import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createLogger } from '#lib/runtime/logger';
import { type FreshPlace, freshDatabase } from '#lib/testing/databases';
import { eventually } from '#lib/testing/eventually';
import { migrate } from './migrate.js';

const logger = createLogger('migrate-test', 'fatal');

describe('migrating', () => {
  let database: FreshPlace;
  let client: Client;
  beforeAll(async () => {
    database = await freshDatabase(inject('stack').databaseUrl);
    client = new Client({ connectionString: database.url });
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  it('runs each migration once when several processes start at once', async () => {
    const runs = await Promise.all([1, 2, 3].map(() => migrate({ url: database.url, logger })));
    expect(runs.map((names) => names.length).sort((one, other) => one - other)).toEqual([0, 0, 8]);
    expect(await migrate({ url: database.url, logger })).toEqual([]);
  });

  it('leaves no connection and no lock behind', async () => {
    await eventually(async () => {
      const { rows } = await client.query(`
        SELECT
          (SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend') AS others,
          (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS locks
      `);
      expect(rows).toEqual([{ others: 0, locks: 0 }]);
    });
  });

  it('gives up in time when Postgres is not there', async () => {
    await expect(migrate({ url: 'postgres://parley@127.0.0.1:9/parley', logger, deadlineMs: 500 })).rejects.toThrow('ECONNREFUSED');
  });

  it.each([
    ['Cà phê sữa đá ở Đà Nẵng', 'ca phe sua da o da nang'],
    ['Cà phê sữa đá ở Đà Nẵng'.normalize('NFD'), 'ca phe sua da o da nang'],
    ['ĐƯỜNG Nguyễn Huệ', 'duong nguyen hue'],
    ['Über Straße naïve', 'uber strasse naive'],
    ['Привет', 'привет'],
  ])('folds %j to %j for search', async (text, folded) => {
    const { rows } = await client.query('SELECT parley_fold($1) AS folded', [text]);
    expect(rows).toEqual([{ folded }]);
  });

  it.each([
    [
      'full text',
      `to_tsvector('simple', parley_fold(content)) @@ websearch_to_tsquery('simple', parley_fold('cà phê'))`,
      'messages_full_text',
    ],
    ['trigrams', `parley_fold(content) LIKE '%' || parley_fold('cà phê') || '%'`, 'messages_trigrams'],
  ])('has an index for %s', async (_kind, condition, index) => {
    await client.query('SET enable_seqscan = off');
    const { rows } = await client.query(`EXPLAIN SELECT id FROM messages WHERE ${condition} AND deleted_at IS NULL`);
    expect(JSON.stringify(rows)).toContain(index);
  });
});
