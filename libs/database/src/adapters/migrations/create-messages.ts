import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/**
 * Messages and their search indexes. A query uses the full-text index only when it repeats its expression and its condition exactly:
 *
 *   full text   to_tsvector('simple', parley_fold(content)) @@ websearch_to_tsquery('simple', parley_fold($1)) AND deleted_at IS NULL
 *
 * The index of trigrams is gone again with `replace-trigrams-by-words`.
 */
export class CreateMessages1763690520000 implements MigrationInterface {
  readonly name = 'CreateMessages1763690520000';

  async up(runner: QueryRunner): Promise<void> {
    // No foreign key to conversations: only ingest_messages() inserts here, while it holds the conversation's row; the key would look
    // it up once more for every message. Deleted messages keep their row and their seq; their content is ''.
    await runner.query(`
      CREATE TABLE messages (
        id uuid PRIMARY KEY,
        conversation_id uuid NOT NULL,
        seq bigint NOT NULL CHECK (seq > 0),
        created_at timestamptz(3) NOT NULL,
        edited_at timestamptz(3),
        deleted_at timestamptz(3),
        version int NOT NULL DEFAULT 1 CHECK (version > 0),
        sender_id text COLLATE "C" NOT NULL,
        client_key text COLLATE "C",
        body_hash bytea,
        content text NOT NULL,
        metadata jsonb,
        CONSTRAINT messages_seq UNIQUE (conversation_id, seq),
        CONSTRAINT messages_key_has_hash CHECK ((client_key IS NULL) = (body_hash IS NULL))
      )
    `);
    await runner.query(
      'CREATE UNIQUE INDEX messages_client_key ON messages (conversation_id, sender_id, client_key) WHERE client_key IS NOT NULL',
    );
    await runner.query(`
      CREATE INDEX messages_full_text ON messages
      USING gin (to_tsvector('simple', parley_fold(content)))
      WHERE deleted_at IS NULL
    `);
    await runner.query(`
      CREATE INDEX messages_trigrams ON messages
      USING gin (parley_fold(content) public.gin_trgm_ops)
      WHERE deleted_at IS NULL
    `);
  }

  readonly down = forwardOnly;
}
