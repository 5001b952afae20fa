import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/**
 * How well users are known, and what each end of a conversation changed. The key of a change makes it happen once, however often its event comes;
 * the version of a status keeps two changes of one user from overwriting each other.
 */
export class CreateFriendship1764000600000 implements MigrationInterface {
  readonly name = 'CreateFriendship1764000600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE friendship_statuses (
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        score int NOT NULL,
        version int NOT NULL,
        user_id text COLLATE "C" PRIMARY KEY,
        topic_metrics jsonb NOT NULL,
        degraded_ends uuid[] NOT NULL,
        CONSTRAINT friendship_statuses_score_check CHECK (score >= 0)
      )
    `);
    await runner.query(`
      CREATE TABLE score_changes (
        applied_at timestamptz(3) NOT NULL DEFAULT now(),
        ended_at timestamptz(3) NOT NULL,
        end_id uuid NOT NULL,
        scoring_version int NOT NULL,
        revision int NOT NULL,
        status_version int NOT NULL,
        worth int NOT NULL,
        score_change int NOT NULL,
        score_after int NOT NULL,
        is_degraded_after boolean NOT NULL,
        user_id text COLLATE "C" NOT NULL,
        conversation_id text COLLATE "C" NOT NULL,
        fingerprint text COLLATE "C" NOT NULL,
        topics jsonb NOT NULL,
        topic_changes jsonb NOT NULL,
        analysis jsonb NOT NULL,
        provenance jsonb NOT NULL,
        reasons jsonb NOT NULL,
        PRIMARY KEY (end_id, scoring_version, revision),
        CONSTRAINT score_changes_of_user UNIQUE (user_id, status_version)
      )
    `);
  }

  readonly down = forwardOnly;
}
