import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** The intent log of the vector store: writes that are under way, or without an answer that says whether they happened (ADR 19). */
export class CreateVectorWrites1764000600000 implements MigrationInterface {
  readonly name = 'CreateVectorWrites1764000600000';

  async up(runner: QueryRunner): Promise<void> {
    // A handful of rows that live for milliseconds: no index but the key, and a vacuum that counts rows instead of shares.
    await runner.query(`
      CREATE TABLE vector_writes (
        id uuid PRIMARY KEY,
        begun_at timestamptz NOT NULL DEFAULT now(),
        checked_at timestamptz,
        checks int NOT NULL DEFAULT 0,
        message_ids uuid[] NOT NULL
      ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)
    `);
  }

  readonly down = forwardOnly;
}
