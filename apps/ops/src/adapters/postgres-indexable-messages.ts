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
  readonly isPart: boolean;
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

interface DocumentRow {
  readonly id: string;
  readonly conversationId: string;
  readonly ownerId: string;
}

const CHANGED_AT = 'coalesce(m.deleted_at, m.edited_at, m.created_at)';

const MESSAGES = `
  SELECT m.id, m.version, m.deleted_at IS NOT NULL AS "isDeleted", ${CHANGED_AT} AS "changedAt",
         l.version AS "entryVersion", l.chunk_count AS "chunkCount", l.model, l.state, false AS "isPart"
    FROM messages m LEFT JOIN message_chunks l ON l.message_id = m.id`;

// A document that is being indexed was touched by its last delivery, however long ago it was stored. The parts of one that was given up count as given up, those that were never tried too: its dead letter has the reason.
const PARTS = `
  SELECT p.id, 1 AS version, false AS "isDeleted",
         CASE WHEN d.state IN ('pending', 'indexing') THEN greatest(p.created_at, d.changed_at) ELSE p.created_at END AS "changedAt",
         CASE WHEN d.state = 'failed' THEN coalesce(l.version, 1) ELSE l.version END AS "entryVersion",
         CASE WHEN d.state = 'failed' THEN coalesce(l.chunk_count, 0) ELSE l.chunk_count END AS "chunkCount",
         CASE WHEN d.state = 'failed' THEN coalesce(l.model, '') ELSE l.model END AS model,
         CASE WHEN d.state = 'failed' THEN coalesce(l.state, 'failed') ELSE l.state END AS state, true AS "isPart"
    FROM document_parts p JOIN documents d ON d.id = p.document_id LEFT JOIN message_chunks l ON l.message_id = p.id`;

// Each side by its own index, and no more of it than fits the page.
const PAGE = `
  SELECT * FROM (
    (${MESSAGES} WHERE m.id > $1 AND ${CHANGED_AT} <= now() - $3 * interval '1 millisecond' ORDER BY m.id LIMIT $2)
    UNION ALL
    (${PARTS} WHERE p.id > $1 AND p.created_at <= now() - $3 * interval '1 millisecond' ORDER BY p.id LIMIT $2)
  ) page ORDER BY id LIMIT $2`;
const STATES = `${MESSAGES} WHERE m.id = ANY ($1::uuid[]) UNION ALL ${PARTS} WHERE p.id = ANY ($1::uuid[])`;

const TEXTS = `
  SELECT id, conversation_id AS "conversationId", seq, sender_id AS "senderId", version, created_at AS "createdAt",
         deleted_at IS NOT NULL AS "isDeleted", content
    FROM messages WHERE id = ANY ($1::uuid[])
  UNION ALL
  SELECT p.id, p.conversation_id, p.place, p.owner_id, 1, p.created_at, false, p.content
    FROM document_parts p JOIN documents d ON d.id = p.document_id WHERE p.id = ANY ($1::uuid[]) AND d.state = 'done'`;

const OPEN_DOCUMENTS = `
  SELECT DISTINCT d.id, d.conversation_id AS "conversationId", d.owner_id AS "ownerId"
    FROM document_parts p JOIN documents d ON d.id = p.document_id WHERE p.id = ANY ($1::uuid[]) AND d.state <> 'done'`;

// Ids are ordered by time: the greatest ledger entry of a message belongs to about the newest one. Parts of documents have another queue.
const NEWEST_INDEXED = `
  SELECT m.created_at AS at FROM message_chunks l CROSS JOIN LATERAL (SELECT created_at FROM messages WHERE id = l.message_id OFFSET 0) m
   ORDER BY l.message_id DESC LIMIT 1`;

const ORDER = `
  INSERT INTO outbox (event_id, routing_key, envelope)
  SELECT event_id, envelope ->> 'type', envelope FROM unnest($1::uuid[], $2::jsonb[]) AS entry (event_id, envelope)`;

/** Texts in memory at once: at most 64 KB each. */
const ORDERS_AT_ONCE = 100;

/** Messages, ledger and outbox in Postgres. Each call is one short statement, also over millions of messages. */
export class PostgresIndexableMessages extends IndexableMessagesPort {
  constructor(private readonly work: PostgresLane) {
    super();
  }

  async page(after: MessageId | undefined, limit: number, graceMs: number): Promise<MessageState[]> {
    const rows = await this.work.query<StateRow>(PAGE, [after ?? '00000000-0000-0000-0000-000000000000', limit, graceMs]);
    return rows.map(stateFrom);
  }

  async statesOf(ids: readonly MessageId[]): Promise<MessageState[]> {
    if (ids.length === 0) return [];
    return (await this.work.query<StateRow>(STATES, [ids])).map(stateFrom);
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
      const some = ids.slice(from, from + ORDERS_AT_ONCE);
      const rows = await this.work.query<TextRow>(TEXTS, [some]);
      const documents = await this.work.query<DocumentRow>(OPEN_DOCUMENTS, [some]);
      const events = [...rows.map(orderFor), ...documents.map(indexingOf)];
      await this.work.query(ORDER, [events.map(({ eventId }) => eventId), events.map((event) => JSON.stringify(event))]);
    }
  }
}

/** Parts that stand on several pages order their document several times: it is indexed once. */
const indexingOf = ({ id, conversationId, ownerId }: DocumentRow) =>
  newEvent('document.created', { documentId: id, conversationId, ownerId });

const stateFrom = ({ isPart, id, version, isDeleted, changedAt, entryVersion, chunkCount, model, state }: StateRow): MessageState => ({
  id,
  version,
  isDeleted,
  changedAt,
  ...(isPart ? { isPart } : {}),
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
