import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { anEntry, journalContract } from '#lib/bus/journal/journal.contract';
import { eventually } from '#lib/testing/eventually';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { PostgresJournal } from './postgres-journal.js';

journalContract('PostgresJournal', async () => {
  const database = await migratedDatabase(inject('stack').databaseUrl);
  const make = () => new PostgresJournal(database.lane('work'));
  return { journal: make(), again: make, stop: database.drop };
});

describe('the journal in Postgres', () => {
  let database: MigratedDatabase;
  beforeAll(async () => {
    database = await migratedDatabase(inject('stack').databaseUrl);
  });
  afterAll(() => database.drop());
  const make = () => new PostgresJournal(database.lane('work'));
  const other = (text: string, values: readonly unknown[] = []) => database.lane('reads').query<{ n: number }>(text, values);
  const IN_HAND = new Map([['a', 5]]);

  it('counts as many entries as there are, each queue in pages, and counts one return however often it is opened', async () => {
    await make().open(new Map());
    await other(`
      INSERT INTO embedded.deliveries (queue, id, type, headers, body, returns)
      SELECT CASE WHEN n <= 45000 THEN 'a' ELSE 'b' END, n, 'test', '{}', '', 0 FROM generate_series(1, 60000) AS n`);
    const journal = make();
    for (let times = 0; times < 3; times += 1) {
      const { lastId, counts } = await journal.open(IN_HAND);
      expect([lastId, ...counts]).toEqual([60_000, ['a', 45_000], ['b', 15_000]]);
    }
    expect((await journal.read('a', 0, 6)).map(({ returns }) => returns)).toEqual([1, 1, 1, 1, 1, 0]);
    await other('TRUNCATE embedded.deliveries');
  });

  it('waits at its opening for what a killed process still commits', async () => {
    await make().open(new Map());
    let opened: unknown;
    await database.lane('edits').transaction(async (query) => {
      await query(`INSERT INTO embedded.deliveries (queue, id, type, headers, body, returns) VALUES ('a', 9, 'test', '{}', '', 0)`);
      void make()
        .open(new Map())
        .then((state) => (opened = state));
      await eventually(async () => {
        const [waiting] = await other(
          `SELECT count(*)::int AS n FROM pg_locks WHERE relation = 'embedded.deliveries'::regclass AND NOT granted`,
        );
        expect(waiting?.n).toBe(1);
      });
      expect(opened).toBeUndefined();
    });
    await eventually(() => expect(opened).toEqual({ lastId: 9, counts: new Map([['a', 1]]) }));
    await other('TRUNCATE embedded.deliveries');
  });

  it('does not confirm an entry whose number another process has given', async () => {
    const journal = make();
    await journal.open(new Map());
    await journal.write({ added: [anEntry(7)], removed: [] });
    await expect(journal.write({ added: [anEntry(7)], removed: [] })).rejects.toMatchObject({ code: '23505' });
  });
});
