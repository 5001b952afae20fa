import { type ConversationId, newId, type UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { PostgresLane } from '#lib/database/adapters/postgres-lane';
import { type Conversation, type ConversationListing, ConversationStorePort } from '../conversation-store.port.js';
import { MAX_LISTED_MEMBERS, MAX_MEMBERS, MAX_PAGE_BYTES, MAX_VISIBLE } from '../limits.js';
import { cursorOf, positionOf } from '../page-cursor.js';
import { bytesBefore, messageBytes, messageColumns, messageFrom, type MessageRow } from './message-row.js';

interface ConversationRow {
  readonly id: string;
  readonly title: string | null;
  readonly creatorId: string;
  readonly headSeq: string;
  readonly createdAt: Date;
  readonly memberIds: string[];
}

type ListingRow = Omit<ConversationRow, 'id' | 'createdAt'> & {
  readonly conversation: string;
  readonly conversationCreatedAt: Date;
  readonly readSeq: string;
  readonly lastActivityAt: Date;
  readonly found: string;
} & (MessageRow | { readonly [Column in keyof MessageRow]: null });

const conversationColumns = `c.title, c.creator_id AS "creatorId", c.head_seq AS "headSeq"`;
const isMember = (user: string) => `EXISTS (SELECT FROM conversation_members WHERE conversation_id = $1 AND user_id = ${user})`;

const CREATE = `
  WITH conversation AS (
    INSERT INTO conversations (id, title, creator_id, created_at, last_activity_at) VALUES ($1, $2, $3, $4, $4) RETURNING id
  )
  INSERT INTO conversation_members (conversation_id, user_id) SELECT id, unnest($5::text[]) FROM conversation`;

const FIND = {
  name: 'find-conversation',
  text: `
    SELECT c.id, ${conversationColumns}, c.created_at AS "createdAt",
      ARRAY(SELECT user_id FROM conversation_members WHERE conversation_id = c.id ORDER BY user_id) AS "memberIds"
    FROM conversations c WHERE c.id = $1 AND ${isMember('$2')}`,
};

// First which conversations, then what they hold: the sort sees ids and times only, the rest is looked up for one page.
const LIST = {
  name: 'list-conversations',
  text: `
    WITH listed AS MATERIALIZED (
      SELECT c.id, c.last_activity_at, member.read_seq
      FROM conversation_members member JOIN conversations c ON c.id = member.conversation_id
      WHERE member.user_id = $1 AND ($2::timestamptz IS NULL OR (c.last_activity_at, c.id) < ($2, $3::uuid))
      ORDER BY c.last_activity_at DESC, c.id DESC LIMIT $4
    )
    SELECT * FROM (
      SELECT c.id AS conversation, ${conversationColumns}, c.created_at AS "conversationCreatedAt", listed.read_seq AS "readSeq",
        listed.last_activity_at AS "lastActivityAt", named.ids AS "memberIds", ${messageColumns('m')}, count(*) OVER () AS "found",
        ${bytesBefore(`coalesce(named.bytes + ${messageBytes('m')}, named.bytes)`, 'listed.last_activity_at DESC, listed.id DESC')}
      FROM listed JOIN conversations c ON c.id = listed.id
      CROSS JOIN LATERAL (
        SELECT array_agg(user_id ORDER BY user_id) AS ids, sum(length(user_id) + 3) AS bytes FROM (
          SELECT user_id FROM conversation_members WHERE conversation_id = c.id ORDER BY user_id LIMIT ${MAX_LISTED_MEMBERS}
        ) first
      ) named
      LEFT JOIN messages m ON m.conversation_id = c.id AND m.seq = c.head_seq
    ) sized WHERE "bytesBefore" < ${MAX_PAGE_BYTES} ORDER BY "lastActivityAt" DESC, conversation DESC`,
};

// Two who add the 10,000th member at the same moment may make it 10,001: the limit guards sizes, it is not an entitlement.
const ADD_MEMBER = `
  WITH state AS (
    SELECT ${isMember('$2')} AS "isMember", ${isMember('$3')} AS "isThere",
      (SELECT count(*) FROM (SELECT FROM conversation_members WHERE conversation_id = $1 LIMIT ${MAX_MEMBERS}) AS counted) >= ${MAX_MEMBERS} AS "isFull"
  ), added AS (
    INSERT INTO conversation_members (conversation_id, user_id)
    SELECT $1, $3 FROM state WHERE "isMember" AND NOT "isThere" AND NOT "isFull"
    ON CONFLICT DO NOTHING
  )
  SELECT * FROM state`;

const REMOVE_MEMBER = `
  WITH state AS (
    SELECT ${isMember('$2')} AS "isMember",
      $2 = $3 OR EXISTS (SELECT FROM conversations WHERE id = $1 AND creator_id = $2) AS "isAllowed"
  ), removed AS (
    DELETE FROM conversation_members USING state
    WHERE conversation_id = $1 AND user_id = $3 AND "isMember" AND "isAllowed"
  )
  SELECT * FROM state`;

// Clients repeat receipts a lot: one that raises nothing writes nothing. What was read has arrived.
const RECEIPT = {
  name: 'record-receipt',
  text: `
    WITH capped AS (
      SELECT least($3::bigint, head_seq) AS delivered, least($4::bigint, head_seq) AS read FROM conversations WHERE id = $1
    ), raised AS (
      UPDATE conversation_members
      SET delivered_seq = greatest(delivered_seq, delivered, read), read_seq = greatest(read_seq, read)
      FROM capped
      WHERE conversation_id = $1 AND user_id = $2 AND (delivered_seq < greatest(delivered, read) OR read_seq < read)
    )
    SELECT ${isMember('$2')} AS "isMember"`,
};

// As one text: Node would otherwise read up to 10,000 rows for each search.
const VISIBLE = {
  name: 'visible-conversations',
  text: `
    SELECT string_agg(id::text, ',') AS ids
    FROM (
      SELECT c.id FROM conversation_members member JOIN conversations c ON c.id = member.conversation_id
      WHERE member.user_id = $1 ORDER BY c.last_activity_at DESC, c.id DESC LIMIT ${MAX_VISIBLE}
    ) visible`,
};

/** Conversations in Postgres: one statement per call, with the membership in its condition, so that there is no moment between check and act. */
export class PostgresConversationStore extends ConversationStorePort {
  /** @param reads lane of all of it; its writes are few and small. */
  constructor(private readonly reads: PostgresLane) {
    super();
  }

  async create({ title, creatorId, memberIds }: { title: string | null; creatorId: UserId; memberIds: readonly UserId[] }) {
    const members = [...new Set([creatorId, ...memberIds])].sort();
    const conversation = { id: newId(), title, creatorId, memberIds: members, headSeq: 0, createdAt: new Date() };
    await this.reads.query(CREATE, [conversation.id, title, creatorId, conversation.createdAt, members]);
    return conversation;
  }

  async find(id: ConversationId, reader: UserId): Promise<Conversation | undefined> {
    const [row] = await this.reads.query<ConversationRow>(FIND, [id, reader]);
    return row === undefined ? undefined : { ...row, headSeq: Number(row.headSeq) };
  }

  async list(reader: UserId, { cursor, limit }: { cursor?: string | undefined; limit: number }) {
    const after = cursor === undefined ? undefined : positionOf(cursor);
    // One more than asked for tells whether there is another page.
    const rows = await this.reads.query<ListingRow>(LIST, [
      reader,
      after === undefined ? null : new Date(after.at),
      after?.id ?? null,
      limit + 1,
    ]);
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    const hasMore = last !== undefined && Number(last.found) > items.length;
    return {
      items: items.map(listingFrom),
      nextCursor: hasMore ? cursorOf({ at: last.lastActivityAt.getTime(), id: last.conversation }) : null,
    };
  }

  async addMember(id: ConversationId, actor: UserId, userId: UserId): Promise<boolean> {
    const [state] = await this.reads.query<{ isMember: boolean; isThere: boolean; isFull: boolean }>(ADD_MEMBER, [id, actor, userId]);
    if (state?.isMember !== true) return false;
    if (state.isFull && !state.isThere) throw new ProblemError('validation', `A conversation has at most ${MAX_MEMBERS} members.`);
    return true;
  }

  async removeMember(id: ConversationId, actor: UserId, userId: UserId): Promise<void> {
    const [state] = await this.reads.query<{ isMember: boolean; isAllowed: boolean }>(REMOVE_MEMBER, [id, actor, userId]);
    if (state?.isMember !== true) throw new ProblemError('not-found', 'There is no such conversation.');
    if (!state.isAllowed) throw new ProblemError('forbidden', 'Only the creator of a conversation removes other members.');
  }

  async recordReceipt(
    id: ConversationId,
    reader: UserId,
    { deliveredSeq = 0, readSeq = 0 }: { deliveredSeq?: number | undefined; readSeq?: number | undefined },
  ): Promise<boolean> {
    const [state] = await this.reads.query<{ isMember: boolean }>(RECEIPT, [id, reader, deliveredSeq, readSeq]);
    return state?.isMember === true;
  }

  async visibleTo(reader: UserId): Promise<ConversationId[]> {
    const [row] = await this.reads.query<{ ids: string | null }>(VISIBLE, [reader]);
    return row?.ids?.split(',') ?? [];
  }
}

const listingFrom = (row: ListingRow): ConversationListing => ({
  id: row.conversation,
  title: row.title,
  creatorId: row.creatorId,
  memberIds: row.memberIds,
  headSeq: Number(row.headSeq),
  createdAt: row.conversationCreatedAt,
  readSeq: Number(row.readSeq),
  lastMessage: row.id === null ? null : messageFrom(row),
});
