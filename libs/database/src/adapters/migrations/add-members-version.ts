import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** How often the members of a conversation changed: a process that knows an older number asks who is a member before it delivers. */
export class AddMembersVersion1764000100000 implements MigrationInterface {
  readonly name = 'AddMembersVersion1764000100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE conversations ADD COLUMN members_version int NOT NULL DEFAULT 0');
  }

  readonly down = forwardOnly;
}
