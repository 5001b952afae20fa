import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** What waits in the outbox as one process measured it for all of them: one row, claimed by the process that measures next. */
export class CreateOutboxDepth1764000500001 implements MigrationInterface {
  readonly name = 'CreateOutboxDepth1764000500001';

  async up(runner: QueryRunner): Promise<void> {
    // Updated every few seconds: fillfactor leaves room for updates in place, and vacuum counts rows instead of shares.
    await runner.query(`
      CREATE TABLE outbox_depth (
        only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        claimed_at timestamptz NOT NULL DEFAULT '-infinity',
        measured_at timestamptz NOT NULL DEFAULT '-infinity',
        pending bigint NOT NULL DEFAULT 0,
        parked bigint NOT NULL DEFAULT 0,
        oldest_age_seconds float8 NOT NULL DEFAULT 0,
        is_estimate boolean NOT NULL DEFAULT false
      ) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)
    `);
    await runner.query('INSERT INTO outbox_depth DEFAULT VALUES');
  }

  readonly down = forwardOnly;
}
