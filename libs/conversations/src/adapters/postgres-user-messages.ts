import type { MessageDeleted } from '#lib/contracts/events';
import { ERASED_USER, type MessageId, type UserId } from '#lib/contracts/ids';
import type { PostgresLane, Query } from '#lib/database/adapters/lanes/postgres-lane';
import { tombstoneOf } from '../change-message.js';

/** Messages that one statement looks at: measured 38 ms on two busy cores. */
const LOOKED_AT = 5_000;
/** Messages that one transaction erases. */
const ERASED_AT_ONCE = 200;

// In the order of the key: no index has the senders, which would cost every send (ADR 36).
const LOOK = `
  WITH page AS MATERIALIZED (SELECT id, sender_id FROM messages WHERE id > $1 ORDER BY id LIMIT ${LOOKED_AT})
  SELECT (SELECT count(*) FROM page)::int AS "lookedAt", (SELECT id FROM page ORDER BY id DESC LIMIT 1) AS last,
    ARRAY(SELECT id FROM page WHERE sender_id = $2 ORDER BY id LIMIT ${ERASED_AT_ONCE}) AS ids`;

const LOCK = `
  SELECT id, conversation_id AS "conversationId", seq, version, created_at AS "createdAt", clock_timestamp() AS at
  FROM messages WHERE id = ANY ($1::uuid[]) AND sender_id = $2 ORDER BY id FOR NO KEY UPDATE`;

const ERASE = `
  UPDATE messages SET content = '', metadata = NULL, client_key = NULL, body_hash = NULL, sender_id = $2, version = version + 1, deleted_at = $3
  WHERE id = ANY ($1::uuid[])`;

// At once, so that no search finds the words before the text indexer comes. In the order in which it locks them.
const ERASE_WORDS = `
  UPDATE message_texts SET words = '', word_count = 0, sender_id = $2
  FROM (SELECT message_id FROM message_texts WHERE message_id = ANY ($1::uuid[]) ORDER BY message_id FOR UPDATE) held
  WHERE message_texts.message_id = held.message_id RETURNING 1`;

const ANNOUNCE = `
  INSERT INTO outbox (event_id, routing_key, envelope) SELECT (event ->> 'eventId')::uuid, event ->> 'type', event
  FROM jsonb_array_elements($1::jsonb) AS event`;

interface Looked {
  readonly lookedAt: number;
  readonly last: MessageId | null;
  readonly ids: MessageId[];
}

interface Locked {
  readonly id: MessageId;
  readonly conversationId: string;
  readonly seq: string;
  readonly version: number;
  readonly createdAt: Date;
  readonly at: Date;
}

/** What a page erased. */
export interface ErasedMessages {
  readonly messages: number;
  /** Those whose words search knew. */
  readonly texts: number;
  readonly next: MessageId | undefined;
}

/** The messages of a user, to be erased: walks through all messages there are, from a place to the next. */
export class PostgresUserMessages {
  constructor(private readonly lane: PostgresLane) {}

  /**
   * Makes tombstones of up to 200 messages of the user, each with its `message.deleted` in the same commit: they keep id and seq, nothing else.
   * @param after the id to go on from. @returns `next` to go on from, undefined at the end. @throws DependencyError.
   */
  async erase(userId: UserId, after: MessageId): Promise<ErasedMessages> {
    const [page] = await this.lane.query<Looked>(LOOK, [after, userId]);
    if (page === undefined || page.last === null) return { ...NONE, next: undefined };
    const { ids, last, lookedAt } = page;
    const erased = ids.length === 0 ? NONE : await this.lane.transaction((query) => makeTombstones(query, ids, userId));
    if (ids.length === ERASED_AT_ONCE) return { ...erased, next: ids.at(-1) };
    return { ...erased, next: lookedAt === LOOKED_AT ? last : undefined };
  }
}

const NONE = { messages: 0, texts: 0 } as const;

const makeTombstones = async (query: Query, ids: readonly MessageId[], userId: UserId): Promise<Omit<ErasedMessages, 'next'>> => {
  const messages = await query<Locked>(LOCK, [ids, userId]);
  const at = messages[0]?.at;
  if (at === undefined) return NONE;
  const events: MessageDeleted[] = messages.map((message) => tombstoneOf({ ...message, seq: Number(message.seq) }, at));
  const locked = messages.map(({ id }) => id);
  await query(ERASE, [locked, ERASED_USER, at]);
  const texts = await query(ERASE_WORDS, [locked, ERASED_USER]);
  await query(ANNOUNCE, [JSON.stringify(events)]);
  return { messages: messages.length, texts: texts.length };
};
