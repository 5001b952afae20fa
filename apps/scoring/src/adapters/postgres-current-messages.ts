import type { MessageId } from '#lib/contracts/ids';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { type CurrentMessage, CurrentMessagesPort } from '../signals/current-messages.port.js';

const CURRENT = {
  name: 'messages-to-score',
  text: `
    SELECT id AS "messageId", conversation_id AS "conversationId", sender_id AS "userId", seq::float8 AS seq, version,
           CASE WHEN deleted_at IS NULL THEN content END AS content
      FROM messages WHERE id = ANY ($1::uuid[])`,
};

/** Messages in Postgres. */
export class PostgresCurrentMessages extends CurrentMessagesPort {
  constructor(private readonly work: PostgresLane) {
    super();
  }

  async of(messageIds: readonly MessageId[]): Promise<Map<MessageId, CurrentMessage>> {
    const rows = await this.work.query<CurrentMessage>(CURRENT, [messageIds]);
    return new Map(rows.map((row) => [row.messageId, row]));
  }
}
