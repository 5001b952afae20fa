import type { EntityManager } from 'typeorm';
import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import { type EndedConversationId, newId, type UserId } from '#lib/contracts/ids';
import { ConversationEndEntity } from '#lib/database/adapters/entities/conversation-end.entity';
import { ConversationLogEntity } from '#lib/database/adapters/entities/conversation-log.entity';
import { FriendshipStatusEntity } from '#lib/database/adapters/entities/friendship-status.entity';
import type { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import {
  type ConversationEndDraft,
  type ConversationEndRecord,
  ConversationEndStorePort,
  type EndedConversation,
  type StoredEnd,
} from '../conversation-end-store.port.js';
import { canBeOurs, endedEvent, eventIdOf, type Found, requireEndable, unendedHash } from '../end-facts.js';
import { logKeyOf } from '../log-key.js';

/** The ends of one user and conversation wait for one another: which messages are new depends on the end before. */
const LOCK = 'SELECT pg_advisory_xact_lock(hashtextextended($1, 4))';

/** How the conversation stands, and where its last end stopped. */
const STATE = `
  SELECT clock_timestamp() AS "now", c.head_seq AS "headSeq",
    EXISTS (SELECT FROM conversation_members WHERE conversation_id = c.id AND user_id = $1) AS "isMember",
    EXISTS (SELECT FROM conversation_ends WHERE user_id = $1 AND conversation_id = $2) AS "hasEnded",
    (SELECT through_seq FROM conversation_ends WHERE user_id = $1 AND conversation_id = $2 AND through_seq IS NOT NULL
      ORDER BY created_at DESC, through_seq DESC LIMIT 1) AS "throughSeq"
  FROM (SELECT) one LEFT JOIN conversations c ON c.id = $3::uuid`;

const INSERT = `
  WITH ended AS (
    INSERT INTO conversation_ends (id, event_id, user_id, conversation_id, body_hash, start_time, end_time, from_seq, through_seq, log_bytes, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, length($10::bytea), $11) RETURNING id
  ), staged AS (
    INSERT INTO conversation_logs (end_id, body) SELECT id, $10::bytea FROM ended WHERE $10::bytea IS NOT NULL
  )
  INSERT INTO outbox (event_id, routing_key, envelope, headers) SELECT id, 'conversation.ended', $12, $13 FROM ended`;

/** When the first and the last message of a range were sent. */
const TIMES = 'SELECT min(created_at) AS "from", max(created_at) AS "to" FROM messages WHERE conversation_id = $1 AND seq IN ($2, $3)';

/** Two look-ups in the index, however many ends there are. */
const USERS = 'SELECT min(user_id) AS "first", max(user_id) AS "last" FROM conversation_ends WHERE conversation_id = $1';

interface State {
  readonly now: Date;
  /** Null = Parley has no such conversation. */
  readonly headSeq: string | null;
  readonly isMember: boolean;
  readonly hasEnded: boolean;
  readonly throughSeq: string | null;
}

/** Ends in the tables `conversation_ends` and `conversation_logs`. */
export class PostgresConversationEndStore extends ConversationEndStorePort {
  constructor(private readonly dataSource: LaneDataSource) {
    super();
  }

  async end(draft: ConversationEndDraft): Promise<StoredEnd> {
    const { conversationId, userId, bodyHash, log } = draft;
    // Before the log travels: a client that repeats itself costs one small statement.
    const before = await this.withBody(this.dataSource.manager, draft, bodyHash);
    if (before !== undefined) return { end: before };
    return this.oneByOne(draft, async (manager) => {
      const earlier = await this.withBody(manager, draft, bodyHash);
      if (earlier !== undefined) return { end: earlier };
      const state = await stateOf(manager, draft);
      const found = foundIn(state);
      requireEndable(draft, canBeOurs(conversationId), found);
      const end: ConversationEndRecord = {
        ...unsaved(draft, state),
        startTime: draft.startTime,
        endTime: draft.endTime,
        messages: log === undefined ? unendedRange(state, found) : undefined,
      };
      const throughSeq = found?.headSeq ?? null;
      return this.insert(manager, { ...end, log: logOf(userId, end.id, log) }, { bodyHash, throughSeq, body: log, headers: draft.headers });
    });
  }

  async endUnended(conversation: EndedConversation, headers?: EventHeaders): Promise<StoredEnd | undefined> {
    return this.oneByOne(conversation, async (manager) => {
      const found = await this.unended(manager, conversation);
      if (found === undefined || !('isNew' in found)) return found;
      const throughSeq = found.end.messages?.throughSeq ?? 0;
      return this.insert(manager, found.end, { bodyHash: unendedHash(throughSeq), throughSeq, body: undefined, headers });
    });
  }

  async preview(conversation: EndedConversation): Promise<ConversationEndRecord | undefined> {
    return (await this.unended(this.dataSource.manager, conversation))?.end;
  }

  async find(id: string): Promise<ConversationEndRecord | undefined> {
    return recordOf(await this.dataSource.getRepository(ConversationEndEntity).findOneBy({ id }));
  }

  async latestOf({ conversationId, userId }: EndedConversation): Promise<ConversationEndRecord | undefined> {
    return latest(this.dataSource.manager, { conversationId, userId });
  }

  async usersOf(conversationId: EndedConversationId): Promise<UserId[]> {
    const [row] = await this.dataSource.manager.query<{ first: UserId | null; last: UserId | null }[]>(USERS, [conversationId]);
    return [...new Set([row?.first, row?.last])].filter((userId) => typeof userId === 'string');
  }

  async ofUser(userId: UserId, limit: number, after?: string): Promise<ConversationEndRecord[]> {
    const ends = this.dataSource
      .getRepository(ConversationEndEntity)
      .createQueryBuilder('ended')
      .where('ended.user_id = :userId', { userId });
    if (after !== undefined) ends.andWhere('ended.id > :after', { after });
    const rows = await ends.orderBy('ended.id').limit(limit).getMany();
    return rows.flatMap((row) => recordOf(row) ?? []);
  }

  async stagedLog(id: string): Promise<Buffer | undefined> {
    return (await this.dataSource.getRepository(ConversationLogEntity).findOneBy({ endId: id }))?.body;
  }

  async logStored(id: string): Promise<boolean> {
    return this.dataSource.transaction(async (manager) => {
      const { affected } = await manager.update(ConversationEndEntity, { id }, { logStoredAt: () => 'coalesce(log_stored_at, now())' });
      await manager.delete(ConversationLogEntity, { endId: id });
      return affected === 1;
    });
  }

  async removeOf(userId: UserId, limit: number): Promise<number> {
    const some = 'id IN (SELECT id FROM conversation_ends WHERE user_id = :userId LIMIT :limit)';
    return this.dataSource.transaction(async (manager) => {
      const ends = manager.createQueryBuilder().delete().from(ConversationEndEntity).where(some, { userId, limit });
      const { affected } = await ends.execute();
      // In this order: a score that was under way is committed by now, or finds no end. In one commit: no score without its history.
      await manager.delete(FriendshipStatusEntity, { userId });
      return affected ?? 0;
    });
  }

  private async oneByOne<T>({ conversationId, userId }: EndedConversation, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.dataSource.transaction(async (manager) => {
      await manager.query(LOCK, [`${userId} ${conversationId}`]);
      return work(manager);
    });
  }

  private async withBody(
    manager: EntityManager,
    { conversationId, userId }: EndedConversation,
    bodyHash: string,
  ): Promise<ConversationEndRecord | undefined> {
    return recordOf(await manager.findOneBy(ConversationEndEntity, { userId, conversationId, bodyHash }));
  }

  private async unended(
    manager: EntityManager,
    conversation: EndedConversation,
  ): Promise<{ end: ConversationEndRecord; isNew?: true } | undefined> {
    const state = await stateOf(manager, conversation);
    const found = foundIn(state);
    if (found?.isMember === false) return undefined;
    const messages = unendedRange(state, found);
    if (messages === undefined || messages.fromSeq > messages.throughSeq) {
      const last = await latest(manager, conversation);
      return last === undefined ? undefined : { end: last };
    }
    const range = [conversation.conversationId, messages.fromSeq, messages.throughSeq];
    const [times] = await manager.query<{ from: Date | null; to: Date | null }[]>(TIMES, range);
    const { from, to } = times ?? { from: null, to: null };
    return { end: { ...unsaved(conversation, state), startTime: from ?? state.now, endTime: to ?? state.now, messages }, isNew: true };
  }

  private async insert(
    manager: EntityManager,
    end: ConversationEndRecord,
    {
      bodyHash,
      throughSeq,
      body,
      headers = {},
    }: { bodyHash: string; throughSeq: number | null; body: Uint8Array | undefined; headers?: EventHeaders | undefined },
  ): Promise<StoredEnd> {
    const event = endedEvent(end);
    const { id, eventId, userId, conversationId, startTime, endTime, messages, createdAt } = end;
    const log = body === undefined ? null : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    const names = [id, eventId, userId, conversationId, bodyHash];
    const { requestId, traceparent } = headers;
    await manager.query(INSERT, [
      ...names,
      startTime,
      endTime,
      messages?.fromSeq ?? null,
      throughSeq,
      log,
      createdAt,
      event,
      { requestId, traceparent },
    ]);
    return { end, event };
  }
}

const stateOf = async (manager: EntityManager, { conversationId, userId }: EndedConversation): Promise<State> => {
  const ours = canBeOurs(conversationId) ? conversationId : null;
  const [state] = await manager.query<State[]>(STATE, [userId, conversationId, ours]);
  if (state === undefined) throw new Error('Postgres did not say how the conversation stands');
  return state;
};

const foundIn = ({ headSeq, isMember }: State): Found | undefined =>
  headSeq === null ? undefined : { isMember, headSeq: Number(headSeq) };

const unendedRange = ({ throughSeq }: State, found: Found | undefined): ConversationEndRecord['messages'] =>
  found === undefined ? undefined : { fromSeq: Number(throughSeq ?? 0) + 1, throughSeq: found.headSeq };

/** What every new end has. */
const unsaved = (
  { conversationId, userId }: EndedConversation,
  { now, hasEnded }: State,
): Pick<ConversationEndRecord, 'id' | 'eventId' | 'conversationId' | 'userId' | 'createdAt' | 'log'> => {
  const id = newId();
  return { id, eventId: eventIdOf(id, !hasEnded, now), conversationId, userId, createdAt: now, log: undefined };
};

const logOf = (userId: UserId, id: string, log: Uint8Array | undefined): ConversationEndRecord['log'] =>
  log === undefined ? undefined : { state: 'staged', objectKey: logKeyOf(userId, id), bytes: log.length };

const latest = async (manager: EntityManager, { conversationId, userId }: EndedConversation): Promise<ConversationEndRecord | undefined> =>
  recordOf(await manager.findOne(ConversationEndEntity, { where: { userId, conversationId }, order: { createdAt: 'DESC', id: 'DESC' } }));

const recordOf = (row: ConversationEndEntity | null): ConversationEndRecord | undefined => {
  if (row === null) return undefined;
  const { id, eventId, userId, conversationId, startTime, endTime, createdAt, fromSeq, throughSeq, logBytes, logStoredAt } = row;
  const log: ConversationEndRecord['log'] =
    logBytes === null ? undefined : { state: logStoredAt === null ? 'staged' : 'stored', objectKey: logKeyOf(userId, id), bytes: logBytes };
  const messages = fromSeq === null ? undefined : { fromSeq: Number(fromSeq), throughSeq: Number(throughSeq) };
  return { id, eventId, userId, conversationId, startTime, endTime, messages, log, createdAt };
};
