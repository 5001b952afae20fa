import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** What each user has used of its daily quota: conversations started and members added. One row per user, begun anew each day (UTC). */
export class CreateMembershipUsage1764000210000 implements MigrationInterface {
  readonly name = 'CreateMembershipUsage1764000210000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE membership_usage (
        day date NOT NULL,
        conversations int NOT NULL,
        additions int NOT NULL,
        user_id text COLLATE "C" PRIMARY KEY
      ) WITH (fillfactor = 80)
    `);
  }

  readonly down = forwardOnly;
}
