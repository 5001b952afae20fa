import { newEvent, type ScoreRecalculate } from '#lib/contracts/events';
import { derivedId, type UserId } from '#lib/contracts/ids';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { SCORING_VERSION } from '../../friendship/score-change.js';
import { type EnqueuedPage, type NightlyRun, NIGHTS_KEPT, type RescorableUser, RescoresPort } from '../rescores.port.js';

/** Key of the advisory lock under which runs begin and pages are written: the ASCII codes of "nights". */
const TRY_LOCK = 'SELECT pg_try_advisory_xact_lock(121390961325171) AS "isMine"';

const RUN = `
  SELECT date::text, started_at AS "startedAt", active_since AS "activeSince", expected_ends::float8 AS "expectedEnds", cursor,
         enqueued_users::float8 AS "enqueuedUsers"
    FROM nightly_runs WHERE finished_at IS NULL`;

// Active since the run before this one began, whose events may not have been handled when an end was stored; a day where there is none.
const BEGIN = `
  INSERT INTO nightly_runs (date, active_since)
  SELECT $1::date, coalesce((SELECT max(started_at) FROM nightly_runs), now() - interval '1 day')
   WHERE NOT EXISTS (SELECT FROM nightly_runs WHERE finished_at IS NULL)
  ON CONFLICT (date) DO NOTHING`;

const FORGET = `DELETE FROM nightly_runs WHERE date < (SELECT max(date) FROM nightly_runs) - ${NIGHTS_KEPT}`;

const EXPECT = 'UPDATE nightly_runs SET expected_ends = $2 WHERE date = $1::date AND expected_ends IS NULL RETURNING 1';

/** Days for which an end is compared with its messages: as long as the worker does, else an edit of an old conversation would be due every night. */
const EDITED_WITHIN_DAYS = 7;
/** Ends of one user that are counted. */
const MOST_DUE_ENDS = 1_000;
/** Newest ends of one user that are looked at: one user with a million must not take the time of the whole page. The worker looks at all. */
const MOST_ENDS = 5_000;
/** Newest messages of one end that are looked at: as many as its transcript counts. */
const MOST_MESSAGES = 10_000;

/** Of `page`: one user in each row; `$1` to `$3` are its own, and `since` when those are active who have an end since then. */
const rescorable = (page: string, since: string): string => `
  WITH RECURSIVE ${page}
  SELECT page.user_id AS "userId", due.count::int AS "dueEnds",
         ${since} IS NULL OR due.count > 0
           OR (SELECT created_at FROM conversation_ends WHERE user_id = page.user_id ORDER BY id DESC LIMIT 1) >= ${since} AS "isActive"
    FROM page,
         LATERAL (SELECT count(*) FROM (
           SELECT FROM (
             SELECT * FROM conversation_ends WHERE user_id = page.user_id ORDER BY id DESC LIMIT ${MOST_ENDS}) AS e
             LEFT JOIN LATERAL (
               SELECT applied_at FROM score_changes c WHERE c.end_id = e.id AND c.scoring_version = ${SCORING_VERSION}
                ORDER BY revision DESC LIMIT 1) AS scored ON true
            WHERE (scored.applied_at IS NULL OR (e.from_seq IS NOT NULL AND e.created_at > now() - interval '${EDITED_WITHIN_DAYS} days' AND EXISTS (
                SELECT FROM messages m
                 WHERE m.conversation_id = CASE WHEN e.from_seq IS NOT NULL THEN e.conversation_id::uuid END
                   AND coalesce(m.deleted_at, m.edited_at) > scored.applied_at
                   AND m.seq BETWEEN greatest(e.from_seq, e.through_seq - ${MOST_MESSAGES - 1}) AND e.through_seq)))
            LIMIT ${MOST_DUE_ENDS}) AS ends) AS due
   ORDER BY page.user_id`;

// Users come from the index one by one (a loose index scan): DISTINCT would read every end of a user who has a million.
const USERS = {
  name: 'users-to-rescore',
  text: rescorable(
    `users (user_id) AS (
       (SELECT user_id FROM conversation_ends WHERE user_id > $1 ORDER BY user_id LIMIT 1)
       UNION ALL
       SELECT next.user_id FROM users,
              LATERAL (SELECT user_id FROM conversation_ends WHERE user_id > users.user_id ORDER BY user_id LIMIT 1) AS next
     ), page AS (SELECT user_id FROM users LIMIT $2)`,
    '$3::timestamptz',
  ),
};

const USER = rescorable('page AS (SELECT user_id FROM conversation_ends WHERE user_id = $1 LIMIT 1)', 'NULL::timestamptz');

const ADVANCE = `
  UPDATE nightly_runs SET cursor = $2, enqueued_users = enqueued_users + $3, finished_at = CASE WHEN $4 THEN now() END WHERE date = $1::date`;

const ENQUEUE = `
  INSERT INTO outbox (event_id, routing_key, envelope)
  SELECT event_id, 'score.recalculate', envelope FROM unnest($1::uuid[], $2::jsonb[]) AS entry (event_id, envelope)
  ON CONFLICT (event_id) DO NOTHING`;

type Query = <Row extends object>(text: string | { readonly name: string; readonly text: string }, values?: unknown[]) => Promise<Row[]>;

interface RunRow extends Omit<NightlyRun, 'expectedEnds'> {
  readonly expectedEnds: number | null;
}

/**
 * Runs in the table `nightly_runs`. A page is one short transaction under an advisory lock, so that any process may write any page: none has to
 * notice that another one died.
 */
export class PostgresRescores extends RescoresPort {
  constructor(private readonly work: PostgresLane) {
    super();
  }

  async now(): Promise<Date> {
    const [row] = await this.work.query<{ at: Date }>('SELECT now() AS at');
    return row?.at ?? new Date();
  }

  underWay(): Promise<NightlyRun | undefined> {
    return runUnderWay((text, values) => this.work.query(text, values));
  }

  async lastFinishedAt(): Promise<Date | undefined> {
    const [row] = await this.work.query<{ at: Date | null }>('SELECT max(finished_at) AS at FROM nightly_runs');
    return row?.at ?? undefined;
  }

  async begin(date: string): Promise<void> {
    await this.work.transaction(async (query) => {
      const [lock] = await query<{ isMine: boolean }>(TRY_LOCK);
      if (lock?.isMine !== true) return;
      await query(BEGIN, [date]);
      await query(FORGET);
    });
  }

  async expect(date: string, ends: number): Promise<boolean> {
    return (await this.work.query(EXPECT, [date, ends])).length > 0;
  }

  users(after: UserId, limit: number, activeSince: Date | undefined): Promise<RescorableUser[]> {
    return this.work.query<RescorableUser>(USERS, [after, limit, activeSince ?? null]);
  }

  async user(userId: UserId): Promise<RescorableUser | undefined> {
    return (await this.work.query<RescorableUser>(USER, [userId]))[0];
  }

  async enqueueNext(date: string, limit: number): Promise<EnqueuedPage | undefined> {
    return this.work.transaction(async (query) => {
      const [lock] = await query<{ isMine: boolean }>(TRY_LOCK);
      if (lock?.isMine !== true) return undefined;
      const run = await runUnderWay(query);
      if (run?.date !== date) return undefined;
      const users = await query<RescorableUser>(USERS.text, [run.cursor, limit, run.activeSince]);
      const events = users.filter(({ isActive }) => isActive).map(({ userId }) => orderFor(userId, 'nightly', date));
      if (events.length > 0) await query(ENQUEUE, columnsOf(events));
      const isFinished = users.length < limit;
      await query(ADVANCE, [date, users.at(-1)?.userId ?? run.cursor, events.length, isFinished]);
      return { events, isFinished };
    });
  }

  async enqueue(userIds: readonly UserId[]): Promise<ScoreRecalculate[]> {
    const events = userIds.map((userId) => orderFor(userId, 'operator'));
    if (events.length > 0) await this.work.query(ENQUEUE, columnsOf(events));
    return events;
  }
}

const runUnderWay = async (query: Query): Promise<NightlyRun | undefined> => {
  const [row] = await query<RunRow>(RUN);
  return row === undefined ? undefined : { ...row, expectedEnds: row.expectedEnds ?? undefined };
};

/** A night has one event for each user, whatever is repeated. */
const orderFor = (userId: UserId, reason: 'nightly' | 'operator', date?: string): ScoreRecalculate =>
  newEvent(
    'score.recalculate',
    { conversationId: null, userId, reason },
    date === undefined ? {} : { eventId: derivedId('score.recalculate', date, userId) },
  );

const columnsOf = (events: readonly ScoreRecalculate[]) => [
  events.map(({ eventId }) => eventId),
  events.map((event) => JSON.stringify(event)),
];
