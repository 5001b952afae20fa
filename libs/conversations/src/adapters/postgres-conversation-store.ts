import { type ConversationId, newId, type UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { startHash } from '../body-hash.js';
import {
  type Conversation,
  type ConversationDraft,
  type ConversationListing,
  ConversationStorePort,
  type MembershipLimits,
  NO_LIMITS,
  type StartedConversation,
} from '../conversation-store.port.js';
import { MAX_LISTED_MEMBERS, MAX_MEMBERS, MAX_PAGE_BYTES, MAX_VISIBLE } from '../limits.js';
import { conversationIsFull, leftByThemselves, quotaUsedUp, startKeyReused } from '../membership-problems.js';
import { cursorOf, positionOf } from '../page-cursor.js';
import { bytesBefore, messageBytes, messageColumns, messageFrom, type MessageRow } from './message-row.js';

interface AddState {
  readonly isMember: boolean;
  readonly isThere: boolean;
  readonly isFull: boolean;
  /** Null = did not leave on its own. */
  readonly mayReturn: boolean | null;
  readonly isWithinQuota: boolean;
}

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

const TODAY = `(now() AT TIME ZONE 'UTC')::date`;

/**
 * Counts what a user does against its quota of the day: one row when it may, none when it is used up. Values are SQL.
 * `from` is where a row must come from for anything to be counted at all.
 */
const counted = (what: {
  user: string;
  conversations: string;
  additions: string;
  conversationLimit: string;
  additionLimit: string;
  from: string;
}) => {
  const sofar = (column: string) => `CASE WHEN mine.day = ${TODAY} THEN mine.${column} ELSE 0 END`;
  return `
    INSERT INTO membership_usage AS mine (user_id, day, conversations, additions)
    SELECT ${what.user}, ${TODAY}, ${what.conversations}, ${what.additions} FROM ${what.from}
      AND (${what.additionLimit} = 0 OR ${what.additions} <= ${what.additionLimit})
    ON CONFLICT (user_id) DO UPDATE SET day = ${TODAY}, conversations = ${sofar('conversations')} + excluded.conversations,
      additions = ${sofar('additions')} + excluded.additions
    WHERE (${what.conversationLimit} = 0 OR excluded.conversations = 0 OR ${sofar('conversations')} + excluded.conversations <= ${what.conversationLimit})
      AND (${what.additionLimit} = 0 OR ${sofar('additions')} + excluded.additions <= ${what.additionLimit})
    RETURNING user_id`;
};

// Everything or nothing: a start over the quota leaves no key behind, and of two with one key the second finds nothing to insert.
const CREATE = `
  WITH earlier AS (
    SELECT FROM conversation_keys WHERE creator_id = $3 AND client_key = $5
  ), counted AS (${counted({
    user: '$3::text',
    conversations: '1',
    additions: '$7::int',
    conversationLimit: '$8::int',
    additionLimit: '$9::int',
    from: '(SELECT) start WHERE NOT EXISTS (SELECT FROM earlier)',
  })}
  ), claimed AS (
    INSERT INTO conversation_keys (creator_id, client_key, body_hash, conversation_id, created_at)
    SELECT $3, $5, $6, $1, now() FROM counted WHERE $5::text IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING conversation_id
  ), conversation AS (
    INSERT INTO conversations (id, title, creator_id, created_at, last_activity_at)
    SELECT $1, $2, $3, now(), now() FROM counted WHERE $5::text IS NULL OR EXISTS (SELECT FROM claimed)
    RETURNING id, created_at
  ), joined AS (
    INSERT INTO conversation_members (conversation_id, user_id) SELECT id, unnest($4::text[]) FROM conversation
  )
  SELECT (SELECT created_at FROM conversation) AS "createdAt", EXISTS (SELECT FROM counted) OR EXISTS (SELECT FROM earlier) AS "isWithinQuota"`;

const FIND_KEY = `
  SELECT conversation_id AS id, created_at AS "createdAt", encode(body_hash, 'hex') AS hash
  FROM conversation_keys WHERE creator_id = $1 AND client_key = $2`;

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
      (SELECT may_return FROM departed_members WHERE conversation_id = $1 AND user_id = $3) AS "mayReturn",
      (SELECT count(*) FROM (SELECT FROM conversation_members WHERE conversation_id = $1 LIMIT ${MAX_MEMBERS}) AS counted) >= ${MAX_MEMBERS} AS "isFull"
  ), counted AS (${counted({
    user: '$2::text',
    conversations: '0',
    additions: '1',
    conversationLimit: '0',
    additionLimit: '$4::int',
    from: `state WHERE NOT "isThere" AND NOT "isFull"
      AND CASE WHEN $2 = $3 THEN "mayReturn" IS TRUE ELSE "isMember" AND "mayReturn" IS NULL END`,
  })}
  ), added AS (
    INSERT INTO conversation_members (conversation_id, user_id) SELECT $1, $3 FROM counted ON CONFLICT DO NOTHING
  ), returned AS (
    DELETE FROM departed_members USING counted WHERE conversation_id = $1 AND departed_members.user_id = $3
  )
  SELECT state.*, EXISTS (SELECT FROM counted) AS "isWithinQuota" FROM state`;

const REMOVE_MEMBER = `
  WITH state AS (
    SELECT ${isMember('$2')} AS "isMember",
      $2 = $3 OR EXISTS (SELECT FROM conversations WHERE id = $1 AND creator_id = $2) AS "isAllowed"
  ), removed AS (
    DELETE FROM conversation_members USING state
    WHERE conversation_id = $1 AND user_id = $3 AND "isMember" AND "isAllowed"
    RETURNING user_id
  ), departed AS (
    INSERT INTO departed_members (conversation_id, user_id, left_at, may_return) SELECT $1, user_id, now(), true FROM removed WHERE $2 = $3
    ON CONFLICT (conversation_id, user_id) DO UPDATE SET left_at = now(), may_return = true
  ), locked_out AS (
    UPDATE departed_members SET may_return = false FROM state
    WHERE conversation_id = $1 AND user_id = $3 AND $2 <> $3 AND "isMember" AND "isAllowed"
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
      WHERE member.user_id = $1
      ORDER BY (c.creator_id = $1 OR member.read_seq > 0) DESC, c.last_activity_at DESC, c.id DESC LIMIT ${MAX_VISIBLE + 1}
    ) visible`,
};

/** Conversations in Postgres: one statement per call, with the membership in its condition, so that there is no moment between check and act. */
export class PostgresConversationStore extends ConversationStorePort {
  /** @param reads lane of all of it; its writes are few and small. */
  constructor(
    private readonly reads: PostgresLane,
    private readonly limits: MembershipLimits = NO_LIMITS,
  ) {
    super();
  }

  async create({ title, creatorId, memberIds, key }: ConversationDraft): Promise<StartedConversation> {
    const members = [...new Set([creatorId, ...memberIds])].sort();
    const started = { id: newId(), title, creatorId, memberIds: members, headSeq: 0, replayed: false };
    const hash = startHash(title, members);
    const { conversationsPerDay, additionsPerDay } = this.limits;
    const [verdict] = await this.reads.query<{ createdAt: Date | null; isWithinQuota: boolean }>(CREATE, [
      started.id,
      title,
      creatorId,
      members,
      key ?? null,
      Buffer.from(hash, 'hex'),
      members.length - 1,
      conversationsPerDay,
      additionsPerDay,
    ]);
    const createdAt = verdict?.createdAt ?? undefined;
    if (createdAt !== undefined) return { ...started, createdAt };
    if (verdict?.isWithinQuota !== true || key === undefined) throw quotaUsedUp(this.limits);
    return { ...started, ...(await this.startedBefore(creatorId, key, hash)), replayed: true };
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
    const [state] = await this.reads.query<AddState>(ADD_MEMBER, [id, actor, userId, this.limits.additionsPerDay]);
    const mayReturn = actor === userId && state?.mayReturn === true;
    if (state === undefined || !(state.isMember || mayReturn)) return false;
    if (state.isThere) return true;
    if (state.mayReturn !== null && !mayReturn) throw leftByThemselves();
    if (state.isFull) throw conversationIsFull();
    if (!state.isWithinQuota) throw quotaUsedUp(this.limits);
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

  async visibleTo(reader: UserId): Promise<{ ids: ConversationId[]; isCut: boolean }> {
    const [row] = await this.reads.query<{ ids: string | null }>(VISIBLE, [reader]);
    const ids = row?.ids?.split(',') ?? [];
    return { ids: ids.slice(0, MAX_VISIBLE), isCut: ids.length > MAX_VISIBLE };
  }

  /** What a key stands for: the rest of the answer is in the request, which has the same hash. */
  private async startedBefore(creatorId: UserId, key: string, hash: string): Promise<{ id: ConversationId; createdAt: Date }> {
    const [earlier] = await this.reads.query<{ id: string; createdAt: Date; hash: string }>(FIND_KEY, [creatorId, key]);
    if (earlier === undefined) throw new Error('a key was taken and is not there');
    if (earlier.hash !== hash) throw startKeyReused();
    return { id: earlier.id, createdAt: earlier.createdAt };
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
