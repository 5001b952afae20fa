import type { ConversationId, UserId } from '#lib/contracts/ids';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import {
  type ChangesPosition,
  ConversationFeedPort,
  type ConversationState,
  type FeedPage,
  type Joining,
  MAX_FEED_PAGE,
  MAX_JOININGS,
  type Membership,
} from '../conversation-feed.port.js';
import { MAX_PAGE_BYTES, MAX_VISIBLE } from '../limits.js';
import type { Message } from '../message.js';
import { bytesBefore, messageBytes, messageColumns, messageFrom, type MessageRow } from './message-row.js';

interface StateRow {
  readonly id: string;
  readonly headSeq: string;
  readonly membersVersion: number;
}

// One row per user: a row per membership would cost ten times as much on its way.
const packed = `string_agg(mine.id::text || ' ' || mine.members_version, ',')`;

const MEMBERSHIPS = {
  name: 'feed-memberships',
  text: `
    SELECT reader.id AS "userId", found.memberships
    FROM unnest($1::text[]) AS reader(id)
    CROSS JOIN LATERAL (
      SELECT ${packed} AS memberships FROM (
        SELECT c.id, c.members_version
        FROM (SELECT conversation_id FROM conversation_members WHERE user_id = reader.id LIMIT $2) member
        JOIN conversations c ON c.id = member.conversation_id
      ) mine
    ) found
    WHERE found.memberships IS NOT NULL`,
};

const ALL_MEMBERSHIPS = {
  name: 'feed-all-memberships',
  text: `
    SELECT ${packed} AS memberships FROM (
      SELECT c.id, c.members_version
      FROM conversation_members member JOIN conversations c ON c.id = member.conversation_id
      WHERE member.user_id = $1
      ORDER BY (c.creator_id = $1 OR member.read_seq > 0) DESC, c.last_activity_at DESC, c.id DESC LIMIT ${MAX_VISIBLE}
    ) mine`,
};

const STATES = {
  name: 'feed-states',
  text: `SELECT id, head_seq AS "headSeq", members_version AS "membersVersion" FROM conversations WHERE id = ANY ($1::uuid[])`,
};

const MEMBERS = {
  name: 'feed-members',
  text: `
    SELECT c.members_version AS "membersVersion", ARRAY(
      SELECT member.user_id FROM conversation_members member WHERE member.conversation_id = c.id AND member.user_id = ANY ($2::text[])
    ) AS "memberIds"
    FROM conversations c WHERE c.id = $1`,
};

// One row even for an empty page; one snapshot, so that head, version and messages fit together.
const PAGE = {
  name: 'feed-page',
  text: `
    SELECT c.head_seq AS "headSeq", c.members_version AS "membersVersion", page.*
    FROM conversations c
    LEFT JOIN LATERAL (
      SELECT * FROM (
        SELECT ${messageColumns('m')}, ${bytesBefore(messageBytes('m'), 'm.seq')}
        FROM (SELECT * FROM messages m WHERE m.conversation_id = c.id AND m.seq > $2 ORDER BY m.seq LIMIT ${MAX_FEED_PAGE}) m
      ) sized WHERE "bytesBefore" < ${MAX_PAGE_BYTES} ORDER BY seq
    ) page ON true
    WHERE c.id = $1`,
};

/** As in the index `messages_changes`: a deletion is always later than an edit. */
const changedAt = (table: string): string => `coalesce(${table}.deleted_at, ${table}.edited_at)`;

// Each conversation by itself, in the order of its index: a page costs what it holds, however many changes come after it.
const CHANGES = {
  name: 'feed-changes',
  text: `
    SELECT * FROM (
      SELECT ${messageColumns('m')}, changed_at AS "changedAt", ${bytesBefore(messageBytes('m'), 'changed_at, m.id')}
      FROM (
        SELECT changed.* FROM unnest($1::uuid[]) AS asked (id)
        CROSS JOIN LATERAL (
          SELECT m.*, ${changedAt('m')} AS changed_at FROM messages m
          WHERE m.conversation_id = asked.id AND m.seq <= $4
            AND ${changedAt('m')} >= $2 AND (${changedAt('m')}, m.id) > ($2, $3::uuid)
          ORDER BY ${changedAt('m')}, m.id LIMIT ${MAX_FEED_PAGE + 1}
        ) changed
        ORDER BY changed_at, id LIMIT ${MAX_FEED_PAGE + 1}
      ) m
    ) sized WHERE "bytesBefore" < ${MAX_PAGE_BYTES} ORDER BY "changedAt", id`,
};

// The time of the statement is older than what it sees: who commits later is found by the next call, which begins a little earlier.
const JOININGS = {
  name: 'feed-joinings',
  text: `
    SELECT now() AS at, recent.*
    FROM (SELECT) one
    LEFT JOIN LATERAL (
      SELECT conversation_id AS "conversationId", user_id AS "userId" FROM conversation_members
      WHERE joined_at >= coalesce($1, now() - interval '10 seconds') AND user_id = ANY ($2::text[]) ORDER BY joined_at DESC LIMIT ${MAX_JOININGS}
    ) recent ON true`,
};

// Times of messages are made by the process that accepts them, a moment before their commit: 2 s more, and nothing is missed.
const SEQ_AT_JOINING = {
  name: 'feed-seq-at-joining',
  text: `
    SELECT coalesce((
      SELECT m.seq FROM messages m
      WHERE m.conversation_id = member.conversation_id AND m.created_at < member.joined_at - interval '2 seconds'
      ORDER BY m.seq DESC LIMIT 1
    ), 0) AS seq
    FROM conversation_members member WHERE member.conversation_id = $1 AND member.user_id = $2`,
};

const MAX_AUDIENCES = 200;
const MAX_AUDIENCE_MEMBERS = 100;

// A bot may be in a million conversations: it must not cost the users that are asked about with it.
const AUDIENCES = {
  name: 'feed-audiences',
  text: `
    SELECT reader.id AS "userId", string_agg(recent.id::text, ',') AS ids
    FROM unnest($1::text[]) AS reader(id)
    CROSS JOIN LATERAL (
      SELECT c.id FROM (SELECT conversation_id FROM conversation_members WHERE user_id = reader.id LIMIT ${MAX_VISIBLE}) member
      JOIN conversations c ON c.id = member.conversation_id
      ORDER BY c.last_activity_at DESC LIMIT ${MAX_AUDIENCES}
    ) recent
    WHERE (
      SELECT count(*) FROM (
        SELECT FROM conversation_members other WHERE other.conversation_id = recent.id LIMIT ${MAX_AUDIENCE_MEMBERS + 1}
      ) members
    ) BETWEEN 2 AND ${MAX_AUDIENCE_MEMBERS}
    GROUP BY reader.id`,
};

/** The feed of conversations from Postgres. Each statement goes by an index, whatever the tables hold. */
export class PostgresConversationFeed extends ConversationFeedPort {
  constructor(private readonly reads: PostgresLane) {
    super();
  }

  async memberships(userIds: readonly UserId[], limit: number): Promise<Map<UserId, Membership[]>> {
    const rows = await this.reads.query<{ userId: string; memberships: string }>(MEMBERSHIPS, [[...new Set(userIds)], limit]);
    return new Map(rows.map(({ userId, memberships }) => [userId, unpacked(memberships)]));
  }

  async allMemberships(userId: UserId): Promise<Membership[]> {
    const [row] = await this.reads.query<{ memberships: string | null }>(ALL_MEMBERSHIPS, [userId]);
    return unpacked(row?.memberships ?? '');
  }

  async states(ids: readonly ConversationId[]): Promise<ConversationState[]> {
    const rows = await this.reads.query<StateRow>(STATES, [ids]);
    return rows.map(({ id, headSeq, membersVersion }) => ({ id, headSeq: Number(headSeq), membersVersion }));
  }

  async members(id: ConversationId, userIds: readonly UserId[]) {
    const [row] = await this.reads.query<{ membersVersion: number; memberIds: string[] }>(MEMBERS, [id, userIds]);
    return row === undefined ? undefined : { memberIds: new Set(row.memberIds), membersVersion: row.membersVersion };
  }

  async page(id: ConversationId, afterSeq: number): Promise<FeedPage | undefined> {
    const rows = await this.reads.query<StateRow & (MessageRow | { readonly id: null })>(PAGE, [id, afterSeq]);
    const [first] = rows;
    if (first === undefined) return undefined;
    const messages = rows.filter((row): row is StateRow & MessageRow => row.id !== null).map(messageFrom);
    return { messages, headSeq: Number(first.headSeq), membersVersion: first.membersVersion };
  }

  async changes(
    ids: readonly ConversationId[],
    { after, throughSeq = Number.MAX_SAFE_INTEGER }: { after: ChangesPosition; throughSeq?: number | undefined },
  ): Promise<{ messages: Message[]; next: ChangesPosition | undefined }> {
    const rows = await this.reads.query<MessageRow & { changedAt: Date }>(CHANGES, [ids, after.at, after.id, throughSeq]);
    const found = rows.slice(0, MAX_FEED_PAGE);
    const last = found.at(-1);
    // A page that ended at its bytes may have been the last: the next one is empty then.
    return { messages: found.map(messageFrom), next: last === undefined ? undefined : { at: last.changedAt, id: last.id } };
  }

  async joinings(userIds: readonly UserId[], since: Date | undefined): Promise<{ joinings: Joining[]; at: Date }> {
    const rows = await this.reads.query<{ at: Date; conversationId: string | null; userId: string | null }>(JOININGS, [
      since ?? null,
      userIds,
    ]);
    const [first] = rows;
    if (first === undefined) throw new Error('Postgres did not tell the time');
    const joinings = rows.flatMap(({ conversationId, userId }) =>
      conversationId === null || userId === null ? [] : [{ conversationId, userId }],
    );
    return { joinings, at: first.at };
  }

  async seqAtJoining({ conversationId, userId }: Joining): Promise<number | undefined> {
    const [row] = await this.reads.query<{ seq: string }>(SEQ_AT_JOINING, [conversationId, userId]);
    return row === undefined ? undefined : Number(row.seq);
  }

  async audiences(userIds: readonly UserId[]): Promise<Map<UserId, ConversationId[]>> {
    const rows = await this.reads.query<{ userId: string; ids: string }>(AUDIENCES, [[...new Set(userIds)]]);
    return new Map(rows.map(({ userId, ids }) => [userId, ids.split(',')]));
  }
}

const unpacked = (memberships: string): Membership[] =>
  memberships === ''
    ? []
    : memberships.split(',').map((one) => {
        const [conversationId = '', membersVersion] = one.split(' ');
        return { conversationId, membersVersion: Number(membersVersion) };
      });
