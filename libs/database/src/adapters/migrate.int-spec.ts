import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
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

  it('has an index for full text', async () => {
    await client.query('SET enable_seqscan = off');
    const query = `SELECT message_id FROM message_texts WHERE words @@ to_tsquery('simple', 'ca')`;
    const { rows } = await client.query(`EXPLAIN ${query}`);
    expect(JSON.stringify(rows)).toContain('message_texts_words');
  });

  it.each([
    ['marks in no order', '\u0301\u0323\u0345\u031b'.repeat(4_096)],
    ['letters and lines below', 'a_'.repeat(8_192)],
    ['the beginnings of addresses', '<a href="http://a@b.'.repeat(819)],
    ['more words than a tsvector can hold', Array.from({ length: 300_000 }, (_, i) => i.toString(36)).join(' ')],
    ['one word', 'a'.repeat(2_000_000)],
  ])('splits %s into words in no time', async (_, text) => {
    await client.query(`SET statement_timeout = 500`); // 9 ms on a quiet machine; without bounds seconds, or an error
    const { rows } = await client.query<{ count: number }>('SELECT length(parley_words($1)) AS count', [text]);
    expect(rows[0]?.count).toBeLessThan(32_768);
    await client.query('RESET statement_timeout');
  });

  it('splits texts and queries at the same places', async () => {
    const { rows } = await client.query(`SELECT tsvector_to_array(parley_words($1)) AS words`, ['Write to foo_bar@example.com, v1.5-beta']);
    expect(rows).toEqual([{ words: ['5', 'bar', 'beta', 'com', 'example', 'foo', 'to', 'v1', 'write'] }]);
  });

  it('leaves the index of messages that are there already to the backfill, and forgets all words of `search_words`', async () => {
    const old = await freshDatabase(inject('stack').databaseUrl);
    const before = new Client({ connectionString: old.url });
    await before.connect();
    try {
      await migrate({ url: old.url, logger });
      await before.query(`
        DROP TABLE message_texts, texts_to_index, text_backfill;
        DROP FUNCTION parley_words, enlist_added_texts, enlist_changed_text, end_text_backfill CASCADE;
        DROP FUNCTION ignore_row CASCADE;
        CREATE INDEX messages_full_text ON messages USING gin (to_tsvector('simple', parley_fold(content))) WHERE deleted_at IS NULL;
        DELETE FROM schema_migrations WHERE name ~ '17640004[012]';
        INSERT INTO search_words VALUES ('secret');
        INSERT INTO messages (id, conversation_id, seq, created_at, sender_id, content)
        VALUES (gen_random_uuid(), gen_random_uuid(), 1, now(), 'alice', 'from before')`);
      expect(await migrate({ url: old.url, logger })).toHaveLength(3);
      await before.query(`INSERT INTO search_words VALUES ('learnt by the version before')`);
      const { rows } = await before.query(`
        SELECT (SELECT count(*)::int FROM text_backfill) AS backfills, (SELECT count(*)::int FROM search_words) AS words,
               to_regclass('messages_full_text') IS NOT NULL AS "hasIndex"`);
      expect(rows).toEqual([{ backfills: 1, words: 0, hasIndex: true }]);
    } finally {
      await before.end();
      await old.drop();
    }
  });
});
