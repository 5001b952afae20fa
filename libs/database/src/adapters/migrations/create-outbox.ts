import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** Events that a commit has promised and that RabbitMQ has not confirmed. A row lives for milliseconds when all is well. */
export class CreateOutbox1763690580000 implements MigrationInterface {
  readonly name = 'CreateOutbox1763690580000';

  async up(runner: QueryRunner): Promise<void> {
    // due_at is both "not before" and the end of a lease. EXTERNAL: compressing a row that is deleted at once is wasted time.
    // Every message inserts and deletes a row here, so dead rows are collected by number, not by share of a nearly empty table,
    // and without the pauses that suit large tables.
    await runner.query(`
      CREATE TABLE outbox (
        event_id uuid PRIMARY KEY,
        created_at timestamptz NOT NULL DEFAULT now(),
        due_at timestamptz NOT NULL DEFAULT now(),
        parked_at timestamptz,
        attempts int NOT NULL DEFAULT 0,
        routing_key text NOT NULL,
        envelope jsonb NOT NULL,
        headers jsonb NOT NULL DEFAULT '{}',
        last_failure text,
        park_reason text
      ) WITH (
        autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000,
        toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 5000
      )
    `);
    await runner.query('ALTER TABLE outbox ALTER COLUMN envelope SET STORAGE EXTERNAL');
    await runner.query('CREATE INDEX outbox_due ON outbox (due_at) WHERE parked_at IS NULL');
  }

  readonly down = forwardOnly;
}
