import type { EntityManager, Repository } from 'typeorm';
import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import { type MemberAdded, type MemberRemoved, newEvent, type ParleyEvent, type ReceiptRecorded } from '#lib/contracts/events';
import { type ConversationId, newId, type UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { ConversationEntity } from '#lib/database/adapters/entities/conversation.entity';
import { ConversationKeyEntity } from '#lib/database/adapters/entities/conversation-key.entity';
import type { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { startHash } from '../body-hash.js';
import {
  type Changed,
  type Conversation,
  type ConversationDraft,
  type ConversationListing,
  ConversationStorePort,
  type MembershipLimits,
  NO_LIMITS,
  type StartedConversation,
} from '../conversation-store.port.js';
import { MAX_LISTED_MEMBERS, MAX_PAGE_BYTES, MAX_SHARED, MAX_UNREAD, MAX_VISIBLE, UNREAD_WINDOW } from '../limits.js';
import { conversationIsFull, leftByThemselves, quotaUsedUp, startKeyReused } from '../membership-problems.js';
import { cursorOf, positionOf } from '../page-cursor.js';
import {
  ADD_MEMBER,
  type AddState,
  COUNT_START,
  JOIN,
  RECEIPT,
  type ReceiptState,
  REMOVE_MEMBER,
  type RemoveState,
} from './membership-statements.js';
import { bytesBefore, messageBytes, messageColumns, messageFrom, type MessageRow } from './message-row.js';

type ListingRow = {
  readonly title: string | null;
  readonly creatorId: string;
  readonly headSeq: string;
  readonly memberIds: string[];
  readonly conversation: string;
  readonly conversationCreatedAt: Date;
  readonly readSeq: string;
  readonly unread: number;
  readonly lastActivityAt: Date;
  readonly found: string;
} & (MessageRow | { readonly [Column in keyof MessageRow]: null });

const conversationColumns = `c.title, c.creator_id AS "creatorId", c.head_seq AS "headSeq"`;

const READER_IS_MEMBER = 'EXISTS (SELECT FROM conversation_members WHERE conversation_id = conversation.id AND user_id = :reader)';
const MEMBER_IDS = 'ARRAY(SELECT user_id FROM conversation_members WHERE conversation_id = conversation.id ORDER BY user_id)';

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
        unread.count AS "unread", listed.last_activity_at AS "lastActivityAt", named.ids AS "memberIds", ${messageColumns('m')}, count(*) OVER () AS "found",
        ${bytesBefore(`coalesce(named.bytes + ${messageBytes('m')}, named.bytes)`, 'listed.last_activity_at DESC, listed.id DESC')}
      FROM listed JOIN conversations c ON c.id = listed.id
      CROSS JOIN LATERAL (
        SELECT array_agg(user_id ORDER BY user_id) AS ids, sum(length(user_id) + 3) AS bytes FROM (
          SELECT user_id FROM conversation_members WHERE conversation_id = c.id ORDER BY user_id LIMIT ${MAX_LISTED_MEMBERS}
        ) first
      ) named
      CROSS JOIN LATERAL (
        SELECT count(*)::int FROM (
          SELECT FROM messages
          WHERE conversation_id = c.id AND seq > greatest(listed.read_seq, c.head_seq - ${UNREAD_WINDOW}) AND sender_id <> $1 AND deleted_at IS NULL
          LIMIT ${MAX_UNREAD}
        ) counted
      ) unread
      LEFT JOIN messages m ON m.conversation_id = c.id AND m.seq = c.head_seq
    ) sized WHERE "bytesBefore" < ${MAX_PAGE_BYTES} ORDER BY "lastActivityAt" DESC, conversation DESC`,
};

// As one text: Node would otherwise read up to 10,000 rows for each search.
const ownFirst = (limit: number) => `
      SELECT c.id FROM conversation_members member JOIN conversations c ON c.id = member.conversation_id
      WHERE member.user_id = $1
      ORDER BY (c.creator_id = $1 OR member.read_seq > 0) DESC, c.last_activity_at DESC, c.id DESC LIMIT ${limit}`;

const VISIBLE = {
  name: 'visible-conversations',
  text: `SELECT string_agg(id::text, ',') AS ids FROM (${ownFirst(MAX_VISIBLE + 1)}) visible`,
};

// Each user is looked up in the reader's conversations and not the other way round: a bot may be in a million.
const SHARING = {
  name: 'users-that-share-a-conversation',
  text: `
    WITH mine AS MATERIALIZED (${ownFirst(MAX_SHARED)})
    SELECT asked.user_id AS "userId" FROM unnest($2::text[]) AS asked (user_id)
    WHERE (SELECT true FROM mine JOIN conversation_members theirs ON theirs.conversation_id = mine.id AND theirs.user_id = asked.user_id LIMIT 1)`,
};

/**
 * Conversations in Postgres. Starting and finding one use repositories, what is asked often is SQL. One statement per call, with the membership
 * in its condition, so that there is no moment between check and act; only a start is a transaction of several.
 */
export class PostgresConversationStore extends ConversationStorePort {
  private readonly conversations: Repository<ConversationEntity>;

  /** @param reads lane of the SQL: the writes among it are few and small. */
  constructor(
    private readonly dataSource: LaneDataSource,
    private readonly reads: PostgresLane,
    private readonly limits: MembershipLimits = NO_LIMITS,
  ) {
    super();
    this.conversations = dataSource.getRepository(ConversationEntity);
  }

  async create({ title, creatorId, memberIds, key, headers = {} }: ConversationDraft): Promise<StartedConversation> {
    const members = [...new Set([creatorId, ...memberIds])].sort();
    const started = { id: newId(), title, creatorId, memberIds: members, headSeq: 0 };
    const bodyHash = Buffer.from(startHash(title, members), 'hex');
    return this.dataSource.transaction(async (manager) => {
      // The key first: a repeated start counts against no quota, and a start over the quota takes its key back with the rollback.
      if (key !== undefined && !(await claims(manager, { conversationId: started.id, creatorId, clientKey: key, bodyHash }))) {
        const earlier = await manager.findOneByOrFail(ConversationKeyEntity, { creatorId, clientKey: key });
        if (!earlier.bodyHash.equals(bodyHash)) throw startKeyReused();
        return { ...started, id: earlier.conversationId, createdAt: earlier.createdAt, replayed: true };
      }
      const { conversationsPerDay, additionsPerDay } = this.limits;
      const counts = await manager.query<object[]>(COUNT_START, [creatorId, members.length - 1, conversationsPerDay, additionsPerDay]);
      if (counts.length === 0) throw quotaUsedUp(this.limits);
      const createdAt = await insertConversation(manager, started);
      const event = newEvent('conversation.created', { conversationId: started.id, memberIds: members, membersVersion: 0 });
      await manager.query(JOIN, [started.id, members, event.eventId, event.type, event, headers]);
      return { ...started, createdAt, replayed: false, event };
    });
  }

  async find(id: ConversationId, reader: UserId): Promise<Conversation | undefined> {
    const found = await this.conversations
      .createQueryBuilder('conversation')
      .addSelect(MEMBER_IDS, 'memberIds')
      .where({ id })
      .andWhere(READER_IS_MEMBER, { reader })
      .getRawAndEntities<{ memberIds: string[] }>();
    const [conversation, row] = [found.entities[0], found.raw[0]];
    if (conversation === undefined || row === undefined) return undefined;
    const { title, creatorId, createdAt } = conversation;
    return { id, title, creatorId, memberIds: row.memberIds, headSeq: Number(conversation.headSeq), createdAt };
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

  async addMember(
    id: ConversationId,
    actor: UserId,
    userId: UserId,
    headers: EventHeaders = {},
  ): Promise<Changed<MemberAdded> | undefined> {
    const added = newEvent('member.added', { conversationId: id, userId, headSeq: 0, membersVersion: 0 });
    const [state] = await this.reads.query<AddState>(ADD_MEMBER, [id, actor, userId, this.limits.additionsPerDay, added, headers]);
    const mayReturn = actor === userId && state?.mayReturn === true;
    if (state === undefined || !(state.isMember || mayReturn)) return undefined;
    if (state.isThere) return {};
    if (state.mayReturn !== null && !mayReturn) throw leftByThemselves();
    if (state.isFull) throw conversationIsFull();
    if (!state.isWithinQuota) throw quotaUsedUp(this.limits);
    const { membersVersion, headSeq } = state;
    return membersVersion === null ? {} : { event: withFacts(added, { headSeq: Number(headSeq), membersVersion }) };
  }

  async removeMember(id: ConversationId, actor: UserId, userId: UserId, headers: EventHeaders = {}): Promise<Changed<MemberRemoved>> {
    const removed = newEvent('member.removed', { conversationId: id, userId, membersVersion: 0 });
    const [state] = await this.reads.query<RemoveState>(REMOVE_MEMBER, [id, actor, userId, removed, headers]);
    if (state?.isMember !== true) throw new ProblemError('not-found', 'There is no such conversation.');
    if (!state.isAllowed) throw new ProblemError('forbidden', 'Only the creator of a conversation removes other members.');
    const { membersVersion } = state;
    return membersVersion === null ? {} : { event: withFacts(removed, { membersVersion }) };
  }

  async recordReceipt(
    id: ConversationId,
    reader: UserId,
    { deliveredSeq = 0, readSeq = 0 }: { deliveredSeq?: number | undefined; readSeq?: number | undefined },
    headers: EventHeaders = {},
  ): Promise<Changed<ReceiptRecorded> | undefined> {
    const recorded = newEvent('receipt.recorded', { conversationId: id, userId: reader, deliveredSeq, readSeq });
    const [state] = await this.reads.query<ReceiptState>(RECEIPT, [id, reader, deliveredSeq, readSeq, recorded, headers]);
    if (state?.isMember !== true) return undefined;
    if (state.deliveredSeq === null) return {};
    return { event: withFacts(recorded, { deliveredSeq: Number(state.deliveredSeq), readSeq: Number(state.readSeq) }) };
  }

  async visibleTo(reader: UserId): Promise<{ ids: ConversationId[]; isCut: boolean }> {
    const [row] = await this.reads.query<{ ids: string | null }>(VISIBLE, [reader]);
    const ids = row?.ids?.split(',') ?? [];
    return { ids: ids.slice(0, MAX_VISIBLE), isCut: ids.length > MAX_VISIBLE };
  }

  async sharingWith(reader: UserId, userIds: readonly UserId[]): Promise<ReadonlySet<UserId>> {
    const rows = await this.reads.query<{ userId: UserId }>(SHARING, [reader, userIds]);
    return new Set(rows.map(({ userId }) => userId));
  }
}

/** The event with what the commit decided. */
const withFacts = <Event extends ParleyEvent>(event: Event, facts: Partial<Event['data']>): Event => ({
  ...event,
  data: { ...event.data, ...facts },
});

/** Whether the key was free. Waits for another start with the same key that is under way. */
const claims = async (manager: EntityManager, key: Omit<ConversationKeyEntity, 'createdAt'>): Promise<boolean> => {
  const values = { ...key, createdAt: () => 'now()' };
  const insert = manager.createQueryBuilder().insert().into(ConversationKeyEntity).values(values).orIgnore().returning('client_key');
  const { raw } = await insert.execute();
  return (raw as unknown[]).length > 0;
};

const insertConversation = async (
  manager: EntityManager,
  { id, title, creatorId }: Pick<Conversation, 'id' | 'title' | 'creatorId'>,
): Promise<Date> => {
  const values = { id, title, creatorId, createdAt: () => 'now()', lastActivityAt: () => 'now()' };
  const insert = manager.createQueryBuilder().insert().into(ConversationEntity).values(values).returning('created_at');
  const [row] = (await insert.execute()).raw as { created_at: Date }[];
  if (row === undefined) throw new Error('Postgres did not return the conversation that it inserted');
  return row.created_at;
};

const listingFrom = (row: ListingRow): ConversationListing => ({
  id: row.conversation,
  title: row.title,
  creatorId: row.creatorId,
  memberIds: row.memberIds,
  headSeq: Number(row.headSeq),
  createdAt: row.conversationCreatedAt,
  readSeq: Number(row.readSeq),
  unread: row.unread,
  lastMessage: row.id === null ? null : messageFrom(row),
});
