import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** Which consumer has handled which event, so that an event that comes twice has its effect once. */
export class CreateInbox1763690640000 implements MigrationInterface {
  readonly name = 'CreateInbox1763690640000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE inbox (
        event_id uuid NOT NULL,
        processed_at timestamptz NOT NULL DEFAULT now(),
        consumer text NOT NULL,
        PRIMARY KEY (consumer, event_id)
      )
    `);
    // Only pruning reads it, in ranges that lie side by side on disk: a BRIN index of a few pages does.
    await runner.query('CREATE INDEX inbox_processed_at ON inbox USING brin (processed_at) WITH (pages_per_range = 16)');
  }

  readonly down = forwardOnly;
}
