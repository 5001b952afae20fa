import type { MessageId } from '#lib/contracts/ids';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { LedgerState } from '#lib/vectors/ledger/adapters/postgres-chunk-ledger';
import { type CurrentMessage, CurrentMessagesPort } from '../current-messages.port.js';

// One statement: a ledger entry that is newer than its message is then known to be false, not merely read a moment later.
const CURRENT = {
  name: 'current-messages',
  text: `
    SELECT m.*, l.version AS "entryVersion", l.chunk_count AS "chunkCount", l.model, l.state
      FROM (
        SELECT id, NULL::uuid AS "documentId", conversation_id AS "conversationId", sender_id AS "senderId", seq, version,
               created_at AS "createdAt", coalesce(deleted_at, edited_at, created_at) AS "changedAt",
               CASE WHEN deleted_at IS NULL THEN content END AS content
          FROM messages WHERE id = ANY ($1::uuid[])
        UNION ALL
        SELECT id, document_id, conversation_id, owner_id, place, 1, created_at, created_at, content
          FROM document_parts WHERE id = ANY ($1::uuid[])
      ) m LEFT JOIN message_chunks l ON l.message_id = m.id`,
};

interface Row extends Pick<CurrentMessage, 'conversationId' | 'senderId' | 'version' | 'changedAt' | 'content'> {
  readonly id: MessageId;
  readonly documentId: string | null;
  readonly seq: string;
  readonly createdAt: Date;
  readonly entryVersion: number | null;
  readonly chunkCount: number | null;
  readonly model: string | null;
  readonly state: string | null;
}

/** Messages and ledger in Postgres, read together. */
export class PostgresCurrentMessages extends CurrentMessagesPort {
  constructor(private readonly work: PostgresLane) {
    super();
  }

  async of(messageIds: readonly MessageId[]): Promise<Map<MessageId, CurrentMessage>> {
    const rows = await this.work.query<Row>(CURRENT, [messageIds]);
    return new Map(rows.map((row) => [row.id, messageFrom(row)]));
  }
}

const messageFrom = ({ id, documentId, seq, createdAt, entryVersion, chunkCount, model, state, ...facts }: Row): CurrentMessage => ({
  ...facts,
  messageId: id,
  ...(documentId === null ? {} : { documentId }),
  seq: Number(seq),
  createdAt: createdAt.toISOString(),
  entry:
    entryVersion === null || chunkCount === null || model === null || state === null
      ? undefined
      : { messageId: id, version: entryVersion, chunkCount, model, state: LedgerState.parse(state) },
});
