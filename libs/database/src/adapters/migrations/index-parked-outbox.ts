import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** Parked rows are few among a million that wait: listing, counting and unparking them must not read the others. */
export class IndexParkedOutbox1764000500000 implements MigrationInterface {
  readonly name = 'IndexParkedOutbox1764000500000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX outbox_parked ON outbox (parked_at) WHERE parked_at IS NOT NULL');
  }

  readonly down = forwardOnly;
}
