import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { createLogger } from '#lib/runtime/log/logger';
import { eventually } from '#lib/testing/eventually';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { IndexTexts } from '../index-texts.js';
import { PostgresTextIndex } from './postgres-text-index.js';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(async () => database.drop());

const query = async <Row extends object>(text: string, values: readonly unknown[] = []) => database.lane('work').query<Row>(text, values);

/** Stores messages as a commit does, in this order. @returns their ids. */
const store = async (...contents: string[]): Promise<string[]> => {
  const ids = contents.map(() => newId());
  await query(
    `INSERT INTO messages (id, conversation_id, seq, created_at, sender_id, content)
     SELECT id, gen_random_uuid(), number, now(), 'alice', content
     FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS m (id, content, number)`,
    [ids, contents],
  );
  return ids;
};
const edit = async (id: string | undefined, content: string) =>
  query('UPDATE messages SET content = $2, version = version + 1, edited_at = now() WHERE id = $1', [id, content]);
const remove = async (id: string | undefined) =>
  query(`UPDATE messages SET content = '', version = version + 1, deleted_at = now() WHERE id = $1`, [id]);

const client = async <T>(work: (connected: Client) => Promise<T>): Promise<T> => {
  const connected = new Client({ connectionString: database.url });
  await connected.connect();
  try {
    return await work(connected);
  } finally {
    await connected.end();
  }
};
const words = async (id: string | undefined) => {
  const [row] = await query<{ words: string[] }>('SELECT tsvector_to_array(words) AS words FROM message_texts WHERE message_id = $1', [id]);
  return row?.words;
};
const leftToDo = async () =>
  query<{ message: string; attempts: number; failure: string | null }>(
    `SELECT message_id AS message, attempts::int, failure FROM texts_to_index ORDER BY id`,
  );

describe('the text index in Postgres', () => {
  let texts: PostgresTextIndex;
  const indexTexts = async (index = texts) => new IndexTexts(index, createLogger('test', 'silent')).execute(new AbortController().signal);
  beforeEach(async () => {
    await query('TRUNCATE messages, message_texts, texts_to_index, text_backfill');
    texts = new PostgresTextIndex(database.lane('work'));
  });

  it('knows the words of what was stored, edited and deleted', async () => {
    const [first, second, third] = await store('Cà phê', 'second', 'third');
    await indexTexts();
    expect(await words(first)).toEqual(['ca', 'phe']);
    await edit(second, 'changed');
    await remove(third);
    await indexTexts();
    expect([await words(first), await words(second), await words(third)]).toEqual([['ca', 'phe'], ['changed'], []]);
    expect(await leftToDo()).toEqual([]);
  });

  it('numbers messages in the order in which Postgres got them, and keeps the number of one that is edited', async () => {
    const [first, second] = await store('first', 'second');
    const [third] = await store('third');
    await indexTexts();
    await edit(first, 'first again');
    await indexTexts();
    const rows = await query<{ id: string }>('SELECT message_id AS id FROM message_texts ORDER BY place');
    expect(rows.map(({ id }) => id)).toEqual([first, second, third]);
  });

  it('is not waited for by a commit of messages, whatever holds it up', async () => {
    const { rows } = await client(async (holder) => {
      await holder.query('BEGIN; LOCK TABLE message_texts IN ACCESS EXCLUSIVE MODE');
      await store('\u0301\u0323\u0345\u031b'.repeat(4_096), 'ordinary'); // refused after 3 s when it waits, or folds
      return holder.query(`SELECT indexdef FROM pg_indexes WHERE tablename = 'messages' AND indexdef ~ 'gin|parley'`);
    });
    expect(rows).toEqual([]);
    await indexTexts();
    expect(await leftToDo()).toEqual([]);
  });

  it('takes no more of long texts at once than of many short ones', async () => {
    await store(...Array.from({ length: 40 }, () => 'x'.repeat(16_384)));
    expect(await texts.due()).toHaveLength(16);
    await query('TRUNCATE messages, texts_to_index');
    await store(...Array.from({ length: 300 }, () => 'short'));
    expect(await texts.due()).toHaveLength(200);
  });

  it('says what is pending and for how long', async () => {
    expect(await texts.depth()).toEqual({ pending: 0, parked: 0, oldestAgeSeconds: 0 });
    await store('one', 'two');
    await query(`UPDATE texts_to_index SET changed_at = now() - interval '1 minute'`);
    const { pending, oldestAgeSeconds } = await texts.depth();
    expect(pending).toBe(2);
    expect(oldestAgeSeconds).toBeGreaterThan(59);
  });

  it('divides the work among several processes, each text once', async () => {
    const ids = await store(...Array.from({ length: 500 }, (_, i) => `text ${i}`));
    await Promise.all([1, 2, 3].map(() => indexTexts(new PostgresTextIndex(database.lane('work')))));
    await eventually(async () => {
      await indexTexts();
      expect(await leftToDo()).toEqual([]);
    });
    expect(await query('SELECT FROM message_texts')).toHaveLength(ids.length);
  });

  describe('with a write that is held up', () => {
    // Before it writes version 1, a process waits for the holder of this lock: a pause at the worst moment.
    const LOCK = 42;
    let holder: Client;
    beforeEach(async () => {
      await query(`
        CREATE OR REPLACE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.version = 1 THEN PERFORM pg_advisory_xact_lock(${LOCK}); END IF;
          RETURN NEW;
        END $$`);
      await query('CREATE TRIGGER hold_up BEFORE INSERT ON message_texts FOR EACH ROW EXECUTE FUNCTION hold_up()');
      holder = new Client({ connectionString: database.url });
      await holder.connect();
      await holder.query(`SELECT pg_advisory_lock(${LOCK})`);
    });
    afterEach(async () => {
      await holder.end();
      await query('DROP TRIGGER IF EXISTS hold_up ON message_texts');
    });
    const isHeldUp = async () =>
      eventually(async () => expect(await query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`)).toHaveLength(1));

    it.each([
      ['an edit', (id: string | undefined) => edit(id, 'newer'), ['newer']],
      ['a deletion', remove, []],
    ])('never replaces %s by the version before, also when that is written last', async (_, change, expected) => {
      const [id] = await store('older');
      const late = indexTexts();
      await isHeldUp();
      await change(id);
      await indexTexts();
      expect(await words(id)).toEqual(expected);
      await holder.query(`SELECT pg_advisory_unlock(${LOCK})`);
      await late;
      expect(await words(id)).toEqual(expected);
      expect(await leftToDo()).toEqual([]);
    });
  });

  describe('with texts that fail', () => {
    beforeEach(async () => {
      await query(`
        CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.words @@ 'poison' THEN RAISE EXCEPTION SQLSTATE '54000'; END IF;
          IF NEW.words @@ 'molasses' THEN PERFORM pg_sleep(10); END IF;
          RETURN NEW;
        END $$`);
      await query('CREATE TRIGGER refuse BEFORE INSERT ON message_texts FOR EACH ROW EXECUTE FUNCTION refuse()');
    });
    afterEach(async () => {
      await query('DROP TRIGGER refuse ON message_texts');
    });

    it('parks the one that cannot be indexed, with its reason, and indexes the others', async () => {
      const [good, bad, alsoGood] = await store('one', 'poison', 'two');
      await indexTexts();
      expect([await words(good), await words(alsoGood)]).toEqual([['one'], ['two']]);
      expect(await leftToDo()).toEqual([{ message: bad, attempts: 3, failure: 'SQLSTATE 54000' }]);
      expect(await texts.depth()).toMatchObject({ pending: 0, parked: 1 });
      await edit(bad, 'harmless');
      await indexTexts();
      expect(await words(bad)).toEqual(['harmless']);
    });

    it('tries the one that takes too long again, and opens no breaker for it', async () => {
      const hasty = new PostgresTextIndex(database.lane('work'), 500);
      const ids = await store('one', 'molasses', 'two', 'three', 'four', 'five');
      await indexTexts(hasty);
      expect(await query('SELECT FROM message_texts')).toHaveLength(5);
      expect(await leftToDo()).toEqual([{ message: ids[1], attempts: 1, failure: 'took longer than 500 ms' }]);
      expect(await hasty.failedBefore(10)).toHaveLength(1);
    });
  });

  describe('with messages from before it was there', () => {
    let fromBefore: string[];
    beforeEach(async () => {
      await query('ALTER TABLE messages DISABLE TRIGGER enlist_added_texts');
      fromBefore = await store('oldest', 'older', 'old');
      await query('ALTER TABLE messages ENABLE TRIGGER enlist_added_texts');
      await query(`INSERT INTO text_backfill VALUES ('ffffffff-ffff-ffff-ffff-ffffffffffff', -1)`);
      await query("CREATE INDEX IF NOT EXISTS messages_full_text ON messages USING gin (to_tsvector('simple', content))");
    });
    const hasIndex = async () => (await query(`SELECT WHERE to_regclass('messages_full_text') IS NOT NULL`)).length === 1;

    it('indexes them behind what is new, and takes the index off the messages', async () => {
      const [fresh] = await store('new');
      await indexTexts();
      const rows = await query<{ id: string }>('SELECT message_id AS id FROM message_texts ORDER BY place');
      expect(rows.map(({ id }) => id)).toEqual([...fromBefore.sort(), fresh]); // ids of one millisecond are in no order
      expect(await query('SELECT FROM text_backfill')).toEqual([]);
      expect(await hasIndex()).toBe(false);
    });

    it('does not wait for a long reader, behind which every send would wait', async () => {
      await client(async (reader) => {
        await reader.query('BEGIN; LOCK TABLE messages IN ACCESS SHARE MODE');
        await indexTexts();
        expect(await query('SELECT FROM message_texts')).toHaveLength(3);
        expect(await hasIndex()).toBe(true);
      });
      await eventually(async () => {
        await indexTexts();
        expect(await hasIndex()).toBe(false);
      });
    });
  });
});
