import { randomUUID } from 'node:crypto';
import pg from 'pg';

/** What a peer is asked to store and to send on. */
export interface PeerMessage {
  readonly conversationId: string;
  readonly content: string;
}

/** The frame that all peers send: the fields of Parley's, so that all carry as many bytes. */
export const peerFrame = ({ conversationId, content }: PeerMessage, seq: number) => {
  const createdAt = new Date().toISOString();
  const pipeline = { embedding: 'pending', scoring: 'off', delivery: 'pending' };
  const message = { id: randomUUID(), conversationId, seq, senderId: 'bench-sender', content, version: 1, createdAt, pipeline };
  return { type: 'message.created', conversationId, seq, message };
};

/** Numbers the messages of one process: the peers know no order, and the benchmark sends to one process alone, so it can count what is missing. */
export class PeerNumbers {
  private readonly last = new Map<string, number>();

  next(conversationId: string): number {
    const seq = (this.last.get(conversationId) ?? 0) + 1;
    this.last.set(conversationId, seq);
    return seq;
  }
}

/** Tables of the peers; `live_members` is filled by the benchmark. */
export const PEER_TABLES = `
  CREATE TABLE IF NOT EXISTS live_members (conversation_id text, user_id text, PRIMARY KEY (conversation_id, user_id));
  CREATE INDEX IF NOT EXISTS live_members_of ON live_members (user_id);
  CREATE TABLE IF NOT EXISTS live_messages (id bigserial PRIMARY KEY, conversation_id text, content text, created_at timestamptz DEFAULT now())`;

/** Postgres as the peers use it. */
export class PeerDatabase {
  private readonly numbers = new PeerNumbers();
  private readonly pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: 10 });

  /** @returns its number. */
  async store({ conversationId, content }: PeerMessage): Promise<number> {
    const text = 'INSERT INTO live_messages (conversation_id, content) VALUES ($1, $2)';
    await this.pool.query({ name: 'store', text, values: [conversationId, content] });
    return this.numbers.next(conversationId);
  }

  async membersOf(conversationId: string): Promise<string[]> {
    const text = 'SELECT user_id FROM live_members WHERE conversation_id = $1';
    const { rows } = await this.pool.query<{ user_id: string }>({ name: 'members', text, values: [conversationId] });
    return rows.map(({ user_id }) => user_id);
  }

  async conversationsOf(userId: string): Promise<string[]> {
    const text = 'SELECT conversation_id FROM live_members WHERE user_id = $1';
    const { rows } = await this.pool.query<{ conversation_id: string }>({ name: 'conversations', text, values: [userId] });
    return rows.map(({ conversation_id }) => conversation_id);
  }
}
