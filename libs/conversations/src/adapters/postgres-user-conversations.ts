import { newEvent } from '#lib/contracts/events';
import { type ConversationId, ERASED_USER, type UserId } from '#lib/contracts/ids';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';

/** Memberships that one transaction ends: it locks as many conversations, and their sends wait. */
const LEFT_AT_ONCE = 50;
/** Conversations that one statement looks at. */
const LOOKED_AT = 5_000;

const MEMBERSHIPS = `
  SELECT conversation_id AS id FROM conversation_members WHERE user_id = $1 ORDER BY conversation_id LIMIT ${LEFT_AT_ONCE}`;

// As sends do it: conversations in the order of their ids, so that none waits for another in a circle.
const LOCK = 'SELECT id FROM conversations WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE';

const LEAVE = `
  WITH left_ones AS (
    DELETE FROM conversation_members WHERE user_id = $2 AND conversation_id = ANY ($1::uuid[]) RETURNING conversation_id
  )
  UPDATE conversations SET members_version = members_version + 1 FROM left_ones WHERE id = conversation_id
  RETURNING id, members_version AS "membersVersion"`;

const ANNOUNCE = `
  INSERT INTO outbox (event_id, routing_key, envelope) SELECT (event ->> 'eventId')::uuid, event ->> 'type', event
  FROM jsonb_array_elements($1::jsonb) AS event`;

// In the order of the key: a conversation that a user started is found by no index (ADR 36).
const FORGET = `
  WITH page AS MATERIALIZED (SELECT id, creator_id FROM conversations WHERE id > $1 ORDER BY id LIMIT ${LOOKED_AT}),
  forgotten AS (
    UPDATE conversations SET title = NULL, creator_id = $3 FROM page
    WHERE conversations.id = page.id AND page.creator_id = $2 AND conversations.creator_id = $2 RETURNING 1
  )
  SELECT (SELECT count(*) FROM page)::int AS "lookedAt", (SELECT id FROM page ORDER BY id DESC LIMIT 1) AS last,
    (SELECT count(*) FROM forgotten)::int AS count`;

/** What conversations hold of a user, to be erased. */
export class PostgresUserConversations {
  constructor(private readonly lane: PostgresLane) {}

  /** Ends up to 50 memberships of the user, each with its `member.removed` in the same commit. @throws DependencyError. */
  async leave(userId: UserId): Promise<{ readonly count: number; readonly isEmpty: boolean }> {
    const rows = await this.lane.query<{ id: ConversationId }>(MEMBERSHIPS, [userId]);
    const ids = rows.map(({ id }) => id);
    if (ids.length === 0) return { count: 0, isEmpty: true };
    const count = await this.lane.transaction(async (query) => {
      await query(LOCK, [ids]);
      const left = await query<{ id: ConversationId; membersVersion: number }>(LEAVE, [ids, userId]);
      const events = left.map(({ id, membersVersion }) => newEvent('member.removed', { conversationId: id, userId, membersVersion }));
      await query(ANNOUNCE, [JSON.stringify(events)]);
      return left.length;
    });
    return { count, isEmpty: ids.length < LEFT_AT_ONCE };
  }

  /**
   * Takes title and creator from the conversations that the user started, among the next 5,000.
   * @param after the id to go on from. @returns `next` to go on from, undefined at the end. @throws DependencyError.
   */
  async forget(userId: UserId, after: ConversationId): Promise<{ readonly count: number; readonly next: ConversationId | undefined }> {
    const [page] = await this.lane.query<{ lookedAt: number; last: ConversationId | null; count: number }>(FORGET, [
      after,
      userId,
      ERASED_USER,
    ]);
    if (page === undefined) return { count: 0, next: undefined };
    return { count: page.count, next: page.lookedAt === LOOKED_AT && page.last !== null ? page.last : undefined };
  }
}
