import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { migratedDatabase, type MigratedDatabase } from '#lib/testing/migrated-database';
import { SCORING_VERSION } from '../../friendship/score-change.js';
import { PostgresRescores } from './postgres-rescores.js';

describe('who is to be scored again, in Postgres', () => {
  let database: MigratedDatabase;
  let rescores: PostgresRescores;
  const query = async <Row extends object>(text: string, values: unknown[] = []) => database.lane('work').query<Row>(text, values);

  beforeAll(async () => {
    database = await migratedDatabase(inject('stack').databaseUrl);
    rescores = new PostgresRescores(database.lane('work'));
  });
  afterAll(() => database.drop());
  beforeEach(() => query('TRUNCATE conversation_ends, score_changes, nightly_runs, outbox, messages CASCADE'));

  /** An end, some days old. */
  const anEnd = async (userId: string, { days = 0, seqs }: { days?: number; seqs?: readonly [number, number] } = {}) => {
    const [id, conversationId] = [newId(), newId()];
    await query(
      `INSERT INTO conversation_ends (id, created_at, start_time, end_time, from_seq, through_seq, user_id, conversation_id, event_id, body_hash)
       VALUES ($1, now() - $2 * interval '1 day', now(), now(), $3, $4, $5, $6, $7, $7)`,
      [id, days, seqs?.[0] ?? null, seqs?.[1] ?? null, userId, conversationId, id],
    );
    return { id, userId, conversationId };
  };
  const score = (end: { id: string; userId: string; conversationId: string }, version = SCORING_VERSION) =>
    query(
      `INSERT INTO score_changes (ended_at, end_id, scoring_version, revision, status_version, worth, score_change, score_after, is_degraded_after,
         user_id, conversation_id, fingerprint, topics, topic_changes, analysis, provenance, reasons)
       VALUES (now(), $1, $4, 1, (SELECT count(*) + 1 FROM score_changes), 0, 0, 0, false, $2, $3, 'x', '[]', '{}', '{}', '{}', '[]')`,
      [end.id, end.userId, end.conversationId, version],
    );
  const aMessage = (conversationId: string, seq: number, edited: string | null) =>
    query(
      `INSERT INTO messages (id, conversation_id, seq, sender_id, version, created_at, edited_at, content)
       VALUES ($1, $2, $3, 'alice', 2, now() - interval '1 hour', now() + $4::interval, 'hello')`,
      [newId(), conversationId, seq, edited],
    );
  const events = async () =>
    (await query<{ userId: string }>(`SELECT envelope->'data'->>'userId' AS "userId" FROM outbox`)).map(({ userId }) => userId).sort();

  it('are users with an end since, an end without a score of this version, or messages edited after it; each with what is due', async () => {
    await score(await anEnd('ended-today'));
    await score(await anEnd('long-ago', { days: 9 }));
    await anEnd('unscored', { days: 9 });
    await anEnd('unscored', { days: 9 });
    await score(await anEnd('older-version', { days: 9 }), SCORING_VERSION + 1);
    for (const [user, seq, edited] of [
      ['edited', 5, '1 minute'],
      ['edited-before', 5, '-30 minutes'],
      ['edited-outside', 99, '1 minute'],
      ['edited-too-old', 5, '1 minute'],
    ] as const) {
      const end = await anEnd(user, { days: user === 'edited-too-old' ? 9 : 5, seqs: [1, 10] });
      await aMessage(end.conversationId, seq, edited);
      await score(end);
    }
    const since = new Date(Date.now() - 86_400_000);
    const found = await rescores.users('', 100, since);
    expect(found.map(({ userId, isActive, dueEnds }) => [userId, isActive, dueEnds])).toEqual([
      ['edited', true, 1],
      ['edited-before', false, 0],
      ['edited-outside', false, 0],
      ['edited-too-old', false, 0],
      ['ended-today', true, 0],
      ['long-ago', false, 0],
      ['older-version', true, 1],
      ['unscored', true, 2],
    ]);
    expect((await rescores.users('edited-too-old', 2, since)).map(({ userId }) => userId)).toEqual(['ended-today', 'long-ago']);
    expect((await rescores.users('', 100, undefined)).every(({ isActive }) => isActive)).toBe(true);
    expect(await rescores.user('unscored')).toMatchObject({ userId: 'unscored', dueEnds: 2 });
    expect(await rescores.user('stranger')).toBeUndefined();
  });

  it('are found in time beside a user with more ends than are looked at', async () => {
    await query(
      `INSERT INTO conversation_ends (id, created_at, start_time, end_time, user_id, conversation_id, event_id, body_hash)
       SELECT ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, now() - interval '9 days', now(), now(), 'many', 'robot', i::text, i::text
         FROM generate_series(1, 6000) i`,
    );
    await query(
      `INSERT INTO score_changes (ended_at, end_id, scoring_version, revision, status_version, worth, score_change, score_after, is_degraded_after,
         user_id, conversation_id, fingerprint, topics, topic_changes, analysis, provenance, reasons)
       SELECT now(), id, $1, 1, event_id::int, 0, 0, 0, false, 'many', 'robot', 'x', '[]', '{}', '{}', '{}', '[]'
         FROM conversation_ends WHERE event_id::int > 1000`,
      [SCORING_VERSION],
    );
    const [many] = await rescores.users('', 10, new Date(Date.now() - 86_400_000));
    expect(many).toEqual({ userId: 'many', isActive: false, dueEnds: 0 });
    await anEnd('many');
    expect(await rescores.users('', 10, new Date(Date.now() - 86_400_000))).toEqual([{ userId: 'many', isActive: true, dueEnds: 1 }]);
  });

  it('are each enqueued once a night by however many processes at once', async () => {
    const users = Array.from({ length: 60 }, (_, i) => `user-${String(i).padStart(3, '0')}`);
    for (const user of users) await anEnd(user);
    const processes = Array.from({ length: 4 }, () => new PostgresRescores(database.lane('work')));
    await Promise.all(processes.map((each) => each.begin('2026-05-02')));
    expect(await query('SELECT FROM nightly_runs')).toHaveLength(1);
    const told: string[] = [];
    const work = async (each: PostgresRescores) => {
      while ((await each.underWay()) !== undefined) {
        for (const { data } of (await each.enqueueNext('2026-05-02', 7))?.events ?? []) told.push(data.userId);
      }
    };
    await Promise.all(processes.map(work));
    expect(told.sort()).toEqual(users);
    expect(await events()).toEqual(users);
    expect(await query('SELECT enqueued_users::int AS count, finished_at IS NOT NULL AS "isFinished" FROM nightly_runs')).toEqual([
      { count: 60, isFinished: true },
    ]);
    await rescores.begin('2026-05-02');
    expect(await rescores.underWay()).toBeUndefined();
    expect(Math.abs(Date.now() - ((await rescores.lastFinishedAt())?.getTime() ?? 0))).toBeLessThan(60_000);
  });

  it('are counted once a night, and a night begins only when the one before has ended', async () => {
    expect(await rescores.lastFinishedAt()).toBeUndefined();
    await rescores.begin('2026-05-02');
    await rescores.begin('2026-05-03');
    expect(await rescores.underWay()).toMatchObject({ date: '2026-05-02', cursor: '', enqueuedUsers: 0, expectedEnds: undefined });
    expect([await rescores.expect('2026-05-02', 7), await rescores.expect('2026-05-02', 8)]).toEqual([true, false]);
    expect(await rescores.underWay()).toMatchObject({ expectedEnds: 7 });
    expect(await rescores.enqueueNext('2026-05-03', 10)).toBeUndefined();
    expect(await rescores.enqueueNext('2026-05-02', 10)).toEqual({ events: [], isFinished: true });
    await rescores.begin('2026-05-03');
    expect(await rescores.underWay()).toMatchObject({ date: '2026-05-03' });
  });

  it('are enqueued for an operator whenever it says so', async () => {
    await rescores.enqueue(['alice']);
    await rescores.enqueue(['alice', 'bob']);
    await rescores.enqueue([]);
    expect(await events()).toEqual(['alice', 'alice', 'bob']);
  });
});
