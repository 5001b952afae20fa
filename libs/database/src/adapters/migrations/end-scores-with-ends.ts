import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/**
 * A score goes with the end that it is of, and none can be written for an end that is gone: an analysis that was under way while its user was
 * erased would bring the user back. Scores that were left by that go now, with the status that they made.
 */
export class EndScoresWithEnds1764001100010 implements MigrationInterface {
  readonly name = 'EndScoresWithEnds1764001100010';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      WITH orphans AS (
        DELETE FROM score_changes c WHERE NOT EXISTS (SELECT FROM conversation_ends e WHERE e.id = c.end_id) RETURNING user_id
      )
      DELETE FROM friendship_statuses s
       WHERE user_id IN (SELECT user_id FROM orphans) AND NOT EXISTS (SELECT FROM conversation_ends e WHERE e.user_id = s.user_id)
    `);
    await runner.query(`
      ALTER TABLE score_changes ADD CONSTRAINT score_changes_end_id_fkey
        FOREIGN KEY (end_id) REFERENCES conversation_ends ON DELETE CASCADE
    `);
  }

  readonly down = forwardOnly;
}
