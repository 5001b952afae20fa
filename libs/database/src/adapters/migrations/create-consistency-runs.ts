import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** Comparisons of messages, ledger and vector store: asked for by operators and the schedule, done by `ops`, with their reports. */
export class CreateConsistencyRuns1763777400000 implements MigrationInterface {
  readonly name = 'CreateConsistencyRuns1763777400000';

  async up(runner: QueryRunner): Promise<void> {
    // A few hundred rows at most: no index but the key.
    await runner.query(`
      CREATE TABLE consistency_runs (
        id uuid PRIMARY KEY,
        requested_at timestamptz NOT NULL DEFAULT now(),
        started_at timestamptz,
        finished_at timestamptz,
        lease_until timestamptz,
        starts int NOT NULL DEFAULT 0,
        kind text NOT NULL CHECK (kind IN ('check', 'repair')),
        requested_by text NOT NULL,
        report jsonb,
        failure text
      )
    `);
  }

  readonly down = forwardOnly;
}
