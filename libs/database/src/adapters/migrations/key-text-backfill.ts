import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** Gives `text_backfill` a primary key, the last table without one: it has at most one row, and replication identifies rows by their key. */
export class KeyTextBackfill1795400000000 implements MigrationInterface {
  readonly name = 'KeyTextBackfill1795400000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE text_backfill ADD PRIMARY KEY (before_id)');
  }

  readonly down = forwardOnly;
}
