import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** Finds what a user has left, when everything of the user is erased. Built while the previous version runs. */
export class IndexDepartedMembers1764001000000 implements MigrationInterface {
  readonly name = 'IndexDepartedMembers1764001000000';

  /** An index cannot be built CONCURRENTLY inside one. */
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS departed_members_by_user');
    await runner.query('CREATE INDEX CONCURRENTLY departed_members_by_user ON departed_members (user_id)');
  }

  readonly down = forwardOnly;
}
