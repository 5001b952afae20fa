import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { QueryRunner } from 'typeorm';
import { eventually } from '#lib/testing/eventually';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { IndexChangesAndJoinings1764000300000 } from './index-changes-and-joinings.js';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

const query = (sql: string) => database.lane('work').query<{ valid: boolean }>(sql);
const send = (seq: number) =>
  query(`
  INSERT INTO messages (id, conversation_id, seq, sender_id, content, created_at)
  VALUES (gen_random_uuid(), '01920000-0000-7000-8000-000000000001', ${seq}, 'alice', 'text', now())`);

it('messages are stored while the index of changes is built and waits for a transaction of the previous version', async () => {
  await query('DROP INDEX messages_changes, conversation_members_by_joining');
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const previous = database.lane('edits').transaction(async (ask) => {
    await ask('LOCK TABLE messages IN ROW EXCLUSIVE MODE');
    begin();
    await released;
  });
  await begun;
  const built = new IndexChangesAndJoinings1764000300000().up({ query } as unknown as QueryRunner);
  await eventually(async () =>
    expect(
      await query(`SELECT true AS valid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%CREATE INDEX%'`),
    ).not.toEqual([]),
  );

  const sent = await Promise.race([send(1).then(() => 'stored'), new Promise((resolve) => setTimeout(resolve, 2_000, 'held up'))]);
  release();
  await Promise.all([previous, built]);

  expect(sent).toBe('stored');
  const indexes = await query(`
    SELECT indisvalid AS valid FROM pg_index WHERE indexrelid IN ('messages_changes'::regclass, 'conversation_members_by_joining'::regclass)`);
  expect(indexes).toEqual([{ valid: true }, { valid: true }]);
});
