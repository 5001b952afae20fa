import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** The nightly runs of scoring: which night was done, and how far the one under way is. */
export class CreateNightlyRuns1764000900000 implements MigrationInterface {
  readonly name = 'CreateNightlyRuns1764000900000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE nightly_runs (
        started_at timestamptz NOT NULL DEFAULT now(),
        active_since timestamptz NOT NULL,
        finished_at timestamptz,
        expected_ends bigint,
        enqueued_users bigint NOT NULL DEFAULT 0,
        date date PRIMARY KEY,
        cursor text COLLATE "C" NOT NULL DEFAULT ''
      )
    `);
  }

  readonly down = forwardOnly;
}
