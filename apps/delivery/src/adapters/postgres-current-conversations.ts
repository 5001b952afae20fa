import type { ConversationId, MessageId } from '#lib/contracts/ids';
import { messageColumns, messageFrom, type MessageRow } from '#lib/conversations/adapters/message-row';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { levelOf } from '#lib/scores/friendship/level';
import {
  CurrentConversationsPort,
  type CurrentMessage,
  type CurrentScore,
  MAX_RECEIPT_MEMBERS,
  type MemberKey,
  type Members,
  type Membership,
  type ScoreKey,
} from '../current-conversations.port.js';

const MESSAGES = {
  name: 'messages-to-deliver',
  text: `
    SELECT ${messageColumns('m')}, c.members_version AS "membersVersion"
      FROM messages m JOIN conversations c ON c.id = m.conversation_id
     WHERE m.id = ANY ($1::uuid[])`,
};

const MEMBERSHIPS = {
  name: 'memberships-to-announce',
  text: `
    SELECT key.conversation_id AS "conversationId", key.user_id AS "userId", member.user_id IS NOT NULL AS "isMember",
           coalesce(member.delivered_seq, 0)::float8 AS "deliveredSeq", coalesce(member.read_seq, 0)::float8 AS "readSeq",
           c.head_seq::float8 AS "headSeq", c.members_version AS "membersVersion",
           EXISTS (SELECT FROM conversation_members WHERE conversation_id = c.id OFFSET ${MAX_RECEIPT_MEMBERS}) AS "isLarge"
      FROM unnest($1::uuid[], $2::text[]) AS key (conversation_id, user_id)
      JOIN conversations c ON c.id = key.conversation_id
      LEFT JOIN conversation_members member ON member.conversation_id = key.conversation_id AND member.user_id = key.user_id`,
};

const MEMBERS = {
  name: 'members-to-announce',
  text: `
    SELECT c.id AS "conversationId", c.members_version AS "membersVersion", c.head_seq::float8 AS "headSeq",
           ARRAY(SELECT user_id FROM conversation_members WHERE conversation_id = c.id) AS "userIds"
      FROM conversations c WHERE c.id = ANY ($1::uuid[])`,
};
// A change has a row of its own. That an analysis failed has none: it is so as long as the status names its end as degraded.
const SCORES = {
  name: 'scores-to-announce',
  text: `
    SELECT key.end_id AS "endId", key.user_id AS "userId", ended.conversation_id AS "conversationId",
           coalesce(change.score_change, 0) AS "scoreChange", coalesce(change.score_after, status.score) AS "score",
           coalesce(change.is_degraded_after, true) AS "isDegraded", coalesce(change.status_version, status.version) AS "version",
           coalesce(change.applied_at, status.updated_at) AS "updatedAt"
      FROM unnest($1::uuid[], $2::text[], $3::int[]) AS key (end_id, user_id, version)
      JOIN conversation_ends ended ON ended.id = key.end_id AND ended.user_id = key.user_id
      JOIN friendship_statuses status ON status.user_id = key.user_id AND status.version >= key.version
      LEFT JOIN score_changes change
        ON change.user_id = key.user_id AND change.status_version = key.version AND change.end_id = key.end_id
     WHERE change.end_id IS NOT NULL OR key.end_id = ANY (status.degraded_ends)`,
};
/** Conversations in one statement: 20 with 10,000 members each are some megabytes. */
const CONVERSATIONS_AT_ONCE = 20;

type ScoreRow = Omit<CurrentScore, 'level' | 'degraded' | 'updatedAt'> & { readonly isDegraded: boolean; readonly updatedAt: Date };

/** Messages, members and scores in Postgres. */
export class PostgresCurrentConversations extends CurrentConversationsPort {
  constructor(private readonly work: PostgresLane) {
    super();
  }

  async messages(ids: readonly MessageId[]): Promise<ReadonlyMap<MessageId, CurrentMessage>> {
    if (ids.length === 0) return new Map();
    const rows = await this.work.query<MessageRow & { readonly membersVersion: number }>(MESSAGES, [ids]);
    return new Map(rows.map((row) => [row.id, { ...messageFrom(row), membersVersion: row.membersVersion }]));
  }

  async memberships(keys: readonly MemberKey[]): Promise<Membership[]> {
    if (keys.length === 0) return [];
    return this.work.query<Membership>(MEMBERSHIPS, [keys.map(({ conversationId }) => conversationId), keys.map(({ userId }) => userId)]);
  }

  async members(conversationIds: readonly ConversationId[]): Promise<Members[]> {
    const found: Members[] = [];
    for (let from = 0; from < conversationIds.length; from += CONVERSATIONS_AT_ONCE) {
      found.push(...(await this.work.query<Members>(MEMBERS, [conversationIds.slice(from, from + CONVERSATIONS_AT_ONCE)])));
    }
    return found;
  }

  async scores(keys: readonly ScoreKey[]): Promise<CurrentScore[]> {
    if (keys.length === 0) return [];
    const columns = [keys.map(({ endId }) => endId), keys.map(({ userId }) => userId), keys.map(({ version }) => version)];
    const rows = await this.work.query<ScoreRow>(SCORES, columns);
    return rows.map(({ isDegraded, updatedAt, ...facts }) => ({
      ...facts,
      level: levelOf(facts.score),
      degraded: isDegraded,
      updatedAt: updatedAt.toISOString(),
    }));
  }
}
