import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** Ends of conversations, and their logs until these are in the object store (ADR 31). */
export class CreateConversationEnds1764000430000 implements MigrationInterface {
  readonly name = 'CreateConversationEnds1764000430000';

  async up(runner: QueryRunner): Promise<void> {
    // conversation_id is text: other systems give their conversations ids, too. created_at has microseconds, because it orders the ends of a conversation.
    await runner.query(`
      CREATE TABLE conversation_ends (
        id uuid PRIMARY KEY,
        created_at timestamptz NOT NULL DEFAULT now(),
        start_time timestamptz(3) NOT NULL,
        end_time timestamptz(3) NOT NULL,
        log_stored_at timestamptz(3),
        from_seq bigint,
        through_seq bigint,
        log_bytes int,
        user_id text COLLATE "C" NOT NULL,
        conversation_id text COLLATE "C" NOT NULL,
        event_id text COLLATE "C" NOT NULL,
        body_hash text COLLATE "C" NOT NULL,
        CONSTRAINT conversation_ends_body UNIQUE (user_id, conversation_id, body_hash)
      )
    `);
    await runner.query('CREATE INDEX conversation_ends_of_conversation ON conversation_ends (user_id, conversation_id, created_at)');
    await runner.query('CREATE INDEX conversation_ends_of_user ON conversation_ends (user_id, id)');
    await runner.query(`
      CREATE TABLE conversation_logs (
        end_id uuid PRIMARY KEY REFERENCES conversation_ends ON DELETE CASCADE,
        body bytea NOT NULL
      ) WITH (
        autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200,
        toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 5000
      )
    `);
    await runner.query('ALTER TABLE conversation_logs ALTER COLUMN body SET STORAGE EXTERNAL');
  }

  readonly down = forwardOnly;
}
