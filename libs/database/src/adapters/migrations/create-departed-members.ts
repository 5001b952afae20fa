import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** Members who left on their own: others do not put them back; they come back themselves, unless the creator removed them afterwards. */
export class CreateDepartedMembers1764000220000 implements MigrationInterface {
  readonly name = 'CreateDepartedMembers1764000220000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE departed_members (
        conversation_id uuid NOT NULL,
        left_at timestamptz(3) NOT NULL,
        may_return boolean NOT NULL,
        user_id text COLLATE "C" NOT NULL,
        PRIMARY KEY (conversation_id, user_id)
      )
    `);
  }

  readonly down = forwardOnly;
}
