import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** The devices of users that pushes are sent to. A token of a provider belongs to one device: a phone that is handed on has one user. */
export class CreateDevices1764000230000 implements MigrationInterface {
  readonly name = 'CreateDevices1764000230000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE devices (
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        user_id text COLLATE "C" NOT NULL,
        id text COLLATE "C" NOT NULL,
        provider text COLLATE "C" NOT NULL,
        token text COLLATE "C" NOT NULL,
        PRIMARY KEY (user_id, id),
        CONSTRAINT devices_provider_check CHECK (provider IN ('fcm', 'onesignal')),
        CONSTRAINT devices_token UNIQUE (provider, token)
      )
    `);
  }

  readonly down = forwardOnly;
}
