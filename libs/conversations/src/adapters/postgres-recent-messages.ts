import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { type MessagePlace, RecentMessagesPort } from '../recent-messages.port.js';

// Backwards through the key: as many rows are read as are shown.
const NEWEST = `
  SELECT id, conversation_id AS "conversationId", seq, version, created_at AS "createdAt" FROM messages ORDER BY id DESC LIMIT $1`;

type Row = Omit<MessagePlace, 'seq'> & { readonly seq: string };

export class PostgresRecentMessages extends RecentMessagesPort {
  constructor(private readonly lane: PostgresLane) {
    super();
  }

  override async newest(limit: number): Promise<MessagePlace[]> {
    const rows = await this.lane.query<Row>({ name: 'newest-messages', text: NEWEST }, [limit]);
    return rows.map((row) => ({ ...row, seq: Number(row.seq) }));
  }
}
