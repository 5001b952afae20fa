import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** What the newest version of each message says about its author: scored by rules, one row per message. */
export class CreateMessageSignals1764000500010 implements MigrationInterface {
  readonly name = 'CreateMessageSignals1764000500010';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE message_signals (
        message_id uuid PRIMARY KEY,
        conversation_id uuid NOT NULL,
        at timestamptz(3) NOT NULL,
        seq bigint NOT NULL,
        version int NOT NULL CHECK (version > 0),
        length int,
        is_question boolean,
        user_id text COLLATE "C" NOT NULL,
        state text NOT NULL CHECK (state IN ('scored', 'removed', 'failed')),
        language text,
        emotion text,
        CONSTRAINT message_signals_scored_check
          CHECK ((state = 'scored') = (length IS NOT NULL AND is_question IS NOT NULL AND language IS NOT NULL AND emotion IS NOT NULL))
      ) WITH (fillfactor = 90)
    `);
    await runner.query('CREATE INDEX message_signals_by_user ON message_signals (user_id)');
  }

  readonly down = forwardOnly;
}
