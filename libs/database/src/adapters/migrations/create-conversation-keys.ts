import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** Which conversation an idempotency key of its creator stands for, for ever. A table of its own: a column on `conversations` would make each of their rows longer. */
export class CreateConversationKeys1764000200000 implements MigrationInterface {
  readonly name = 'CreateConversationKeys1764000200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE conversation_keys (
        conversation_id uuid NOT NULL,
        created_at timestamptz(3) NOT NULL,
        creator_id text COLLATE "C" NOT NULL,
        client_key text COLLATE "C" NOT NULL,
        body_hash bytea NOT NULL,
        PRIMARY KEY (creator_id, client_key)
      )
    `);
  }

  readonly down = forwardOnly;
}
