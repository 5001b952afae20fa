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
    const { rows } = await client.query<{ count: number }>('SELECT count(*)::int AS count FROM schema_migrations');
    expect(runs.map((names) => names.length).sort((one, other) => one - other)).toEqual([0, 0, rows[0]?.count]);
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
      `SELECT id FROM messages WHERE to_tsvector('simple', parley_fold(content)) @@ websearch_to_tsquery('simple', parley_fold('cà phê')) AND deleted_at IS NULL`,
      'messages_full_text',
    ],
    ['similar words', `SELECT word FROM search_words WHERE word % parley_fold('cà phê')`, 'search_words_trigrams'],
  ])('has an index for %s', async (_kind, query, index) => {
    await client.query('SET enable_seqscan = off');
    await client.query(
      'INSERT INTO search_words SELECT md5(n::text) FROM generate_series(1, 5000) n ON CONFLICT DO NOTHING; ANALYZE search_words',
    );
    const { rows } = await client.query(`EXPLAIN ${query}`);
    expect(JSON.stringify(rows)).toContain(index);
  });

  it('takes the words of messages that are there already into the vocabulary', async () => {
    const old = await freshDatabase(inject('stack').databaseUrl);
    const before = new Client({ connectionString: old.url });
    await before.connect();
    try {
      await migrate({ url: old.url, logger });
      await before.query(`
        DROP TABLE search_words;
        CREATE INDEX messages_trigrams ON messages USING gin (parley_fold(content) public.gin_trgm_ops) WHERE deleted_at IS NULL;
        DELETE FROM schema_migrations WHERE name = 'ReplaceTrigramsByWords1763690820000';
        INSERT INTO messages (id, conversation_id, seq, created_at, deleted_at, sender_id, content)
        SELECT gen_random_uuid(), gen_random_uuid(), 1, now(), deleted, 'alice', content
        FROM (VALUES ('Cà phê lúc 9h ở http://example.com, b', null), ('gone', now())) AS earlier (content, deleted)`);
      expect(await migrate({ url: old.url, logger })).toEqual(['ReplaceTrigramsByWords1763690820000']);
      const { rows } = await before.query<{ word: string }>('SELECT word FROM search_words ORDER BY word');
      expect(rows.map(({ word }) => word)).toEqual(['ca', 'luc', 'phe']);
    } finally {
      await before.end();
      await old.drop();
    }
  });
});
