import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** The ledger: which version of which message has which vectors. What the vector store should hold can be rebuilt from it. */
export class CreateMessageChunks1763690700000 implements MigrationInterface {
  readonly name = 'CreateMessageChunks1763690700000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE message_chunks (
        message_id uuid PRIMARY KEY,
        updated_at timestamptz NOT NULL DEFAULT now(),
        version int NOT NULL CHECK (version > 0),
        chunk_count int NOT NULL CHECK (chunk_count >= 0),
        model text NOT NULL,
        state text NOT NULL CHECK (state IN ('indexed', 'removed', 'failed')),
        failure text
      ) WITH (fillfactor = 90)
    `);
  }

  readonly down = forwardOnly;
}
