import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** Finds all documents of a user, when everything of the user is erased. Built while the previous version runs. */
export class IndexDocumentsByOwner1764000810000 implements MigrationInterface {
  readonly name = 'IndexDocumentsByOwner1764000810000';

  /** An index cannot be built CONCURRENTLY inside one. */
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS documents_by_owner');
    await runner.query('CREATE INDEX CONCURRENTLY documents_by_owner ON documents (owner_id)');
  }

  readonly down = forwardOnly;
}
