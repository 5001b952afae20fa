import type { MessageId } from '#lib/contracts/ids';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { LedgerState } from '#lib/vectors/ledger/adapters/postgres-chunk-ledger';
import { type CurrentMessage, CurrentMessagesPort } from '../current-messages.port.js';

// One statement: a ledger entry that is newer than its message is then known to be false, not merely read a moment later.
const CURRENT = {
  name: 'current-messages',
  text: `
    SELECT m.id, m.conversation_id AS "conversationId", m.sender_id AS "senderId", m.seq, m.version, m.created_at AS "createdAt",
           coalesce(m.deleted_at, m.edited_at, m.created_at) AS "changedAt", CASE WHEN m.deleted_at IS NULL THEN m.content END AS content,
           l.version AS "entryVersion", l.chunk_count AS "chunkCount", l.model, l.state
      FROM messages m LEFT JOIN message_chunks l ON l.message_id = m.id
     WHERE m.id = ANY ($1::uuid[])`,
};

interface Row extends Pick<CurrentMessage, 'conversationId' | 'senderId' | 'version' | 'changedAt' | 'content'> {
  readonly id: MessageId;
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

const messageFrom = ({ id, seq, createdAt, entryVersion, chunkCount, model, state, ...facts }: Row): CurrentMessage => ({
  ...facts,
  messageId: id,
  seq: Number(seq),
  createdAt: createdAt.toISOString(),
  entry:
    entryVersion === null || chunkCount === null || model === null || state === null
      ? undefined
      : { messageId: id, version: entryVersion, chunkCount, model, state: LedgerState.parse(state) },
});
