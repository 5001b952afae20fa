import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** Long work that was asked for: scores and erasures. An open job is unique by what it is about. */
export class CreateJobs1764001100000 implements MigrationInterface {
  readonly name = 'CreateJobs1764001100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE jobs (
        id uuid PRIMARY KEY,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        ended_at timestamptz(3),
        kind text COLLATE "C" NOT NULL CONSTRAINT jobs_kind_check CHECK (kind IN ('score', 'erasure')),
        status text COLLATE "C" NOT NULL DEFAULT 'queued'
          CONSTRAINT jobs_status_check CHECK (status IN ('queued', 'running', 'done', 'failed')),
        owner_id text COLLATE "C" NOT NULL,
        subject text COLLATE "C",
        result jsonb,
        error text
      )
    `);
    await runner.query('CREATE UNIQUE INDEX jobs_open ON jobs (kind, subject) WHERE ended_at IS NULL');
    await runner.query('CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL');
    await runner.query('CREATE INDEX jobs_by_owner ON jobs (owner_id)');
  }

  readonly down = forwardOnly;
}
