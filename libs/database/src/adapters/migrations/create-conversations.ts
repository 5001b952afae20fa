import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** Conversations with their head, and who belongs to them. */
export class CreateConversations1763690460000 implements MigrationInterface {
  readonly name = 'CreateConversations1763690460000';

  async up(runner: QueryRunner): Promise<void> {
    // Each shared commit updates head_seq and last_activity_at. Room in the page (fillfactor) and no index on either keep those
    // updates "heap-only": no index is touched. The price: a user's list is sorted, not read in order; it has at most 10,000 rows.
    // Ids of users are compared, never shown in an order: byte order ("C") is the fastest, and no index depends on the machine's language.
    await runner.query(`
      CREATE TABLE conversations (
        id uuid PRIMARY KEY,
        head_seq bigint NOT NULL DEFAULT 0 CHECK (head_seq >= 0),
        created_at timestamptz(3) NOT NULL,
        last_activity_at timestamptz(3) NOT NULL,
        creator_id text COLLATE "C" NOT NULL,
        title text
      ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02)
    `);
    await runner.query(`
      CREATE TABLE conversation_members (
        conversation_id uuid NOT NULL REFERENCES conversations ON DELETE CASCADE,
        delivered_seq bigint NOT NULL DEFAULT 0 CHECK (delivered_seq >= 0),
        read_seq bigint NOT NULL DEFAULT 0 CHECK (read_seq >= 0),
        joined_at timestamptz(3) NOT NULL DEFAULT now(),
        user_id text COLLATE "C" NOT NULL,
        PRIMARY KEY (conversation_id, user_id)
      ) WITH (fillfactor = 80)
    `);
    await runner.query('CREATE INDEX conversation_members_by_user ON conversation_members (user_id, conversation_id)');
  }

  readonly down = forwardOnly;
}
