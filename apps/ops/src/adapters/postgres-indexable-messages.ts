import { newEvent } from '#lib/contracts/events';
import type { MessageId } from '#lib/contracts/ids';
import { withoutLongRuns } from '#lib/contracts/text';
import { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import type { LedgerEntry } from '#lib/vectors/ledger/chunk-ledger.port';
import { IndexableMessagesPort, type MessageState } from '../consistency/indexable-messages.port.js';

interface StateRow {
  readonly id: string;
  readonly version: number;
  readonly isDeleted: boolean;
  readonly changedAt: Date;
  readonly entryVersion: number | null;
  readonly chunkCount: number | null;
  readonly model: string | null;
  readonly state: LedgerEntry['state'] | null;
}

interface TextRow {
  readonly id: string;
  readonly conversationId: string;
  readonly seq: string;
  readonly senderId: string;
  readonly version: number;
  readonly createdAt: Date;
  readonly isDeleted: boolean;
  readonly content: string;
}

const CHANGED_AT = 'coalesce(m.deleted_at, m.edited_at, m.created_at)';

const STATES = `
  SELECT m.id, m.version, m.deleted_at IS NOT NULL AS "isDeleted", ${CHANGED_AT} AS "changedAt",
         l.version AS "entryVersion", l.chunk_count AS "chunkCount", l.model, l.state
    FROM messages m LEFT JOIN message_chunks l ON l.message_id = m.id`;

const TEXTS = `
  SELECT id, conversation_id AS "conversationId", seq, sender_id AS "senderId", version, created_at AS "createdAt",
         deleted_at IS NOT NULL AS "isDeleted", content
    FROM messages WHERE id = ANY ($1::uuid[])`;

// Ids are ordered by time: the greatest ledger entry belongs to about the newest message.
const NEWEST_INDEXED = `
  SELECT m.created_at AS at FROM (SELECT message_id FROM message_chunks ORDER BY message_id DESC LIMIT 1) l JOIN messages m ON m.id = l.message_id`;

const ORDER = `
  INSERT INTO outbox (event_id, routing_key, envelope)
  SELECT event_id, 'vectors.rebuild', envelope FROM unnest($1::uuid[], $2::jsonb[]) AS entry (event_id, envelope)`;

/** Texts in memory at once: at most 64 KB each. */
const ORDERS_AT_ONCE = 100;

/** Messages, ledger and outbox in Postgres. Each call is one short statement, also over millions of messages. */
export class PostgresIndexableMessages extends IndexableMessagesPort {
  constructor(private readonly work: PostgresLane) {
    super();
  }

  async page(after: MessageId | undefined, limit: number, graceMs: number): Promise<MessageState[]> {
    const rows = await this.work.query<StateRow>(
      `${STATES} WHERE m.id > $1 AND ${CHANGED_AT} <= now() - $3 * interval '1 millisecond' ORDER BY m.id LIMIT $2`,
      [after ?? '00000000-0000-0000-0000-000000000000', limit, graceMs],
    );
    return rows.map(stateFrom);
  }

  async statesOf(ids: readonly MessageId[]): Promise<MessageState[]> {
    if (ids.length === 0) return [];
    return (await this.work.query<StateRow>(`${STATES} WHERE m.id = ANY ($1::uuid[])`, [ids])).map(stateFrom);
  }

  async newestIndexedAt(): Promise<Date | undefined> {
    return (await this.work.query<{ at: Date }>(NEWEST_INDEXED))[0]?.at;
  }

  async now(): Promise<Date> {
    const [row] = await this.work.query<{ at: Date }>('SELECT now() AS at');
    return row?.at ?? new Date();
  }

  async orderRebuild(ids: readonly MessageId[]): Promise<void> {
    for (let from = 0; from < ids.length; from += ORDERS_AT_ONCE) {
      const rows = await this.work.query<TextRow>(TEXTS, [ids.slice(from, from + ORDERS_AT_ONCE)]);
      const events = rows.map(orderFor);
      await this.work.query(ORDER, [events.map(({ eventId }) => eventId), events.map((event) => JSON.stringify(event))]);
    }
  }
}

const stateFrom = ({ id, version, isDeleted, changedAt, entryVersion, chunkCount, model, state }: StateRow): MessageState => ({
  id,
  version,
  isDeleted,
  changedAt,
  entry:
    entryVersion === null || chunkCount === null || model === null || state === null
      ? undefined
      : { messageId: id, version: entryVersion, chunkCount, model, state },
});

const orderFor = ({ id, conversationId, seq, senderId, version, createdAt, isDeleted, content }: TextRow) =>
  newEvent('vectors.rebuild', {
    messageId: id,
    conversationId,
    seq: Number(seq),
    senderId,
    version,
    createdAt: createdAt.toISOString(),
    // A text from before the limit on combining marks would be refused by every consumer: drop the marks beyond it.
    content: isDeleted ? null : withoutLongRuns(content),
  });
