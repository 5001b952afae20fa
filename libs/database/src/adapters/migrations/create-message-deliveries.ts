import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** Which version of a message went out to the sockets of its members. */
export class CreateMessageDeliveries1764000100001 implements MigrationInterface {
  readonly name = 'CreateMessageDeliveries1764000100001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE message_deliveries (
        message_id uuid PRIMARY KEY,
        at timestamptz(3) NOT NULL,
        version int NOT NULL CHECK (version > 0),
        state text NOT NULL CHECK (state IN ('delivered', 'failed'))
      ) WITH (fillfactor = 90)
    `);
  }

  readonly down = forwardOnly;
}
