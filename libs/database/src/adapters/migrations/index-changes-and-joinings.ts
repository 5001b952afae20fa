import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/**
 * Edits and deletions of a conversation since a time, and who became a member since a time: what a client or a process asks that was
 * away for a moment. Sends touch neither index, receipts and heads stay "heap-only" updates. Built while the previous version runs: sends,
 * receipts and new members are not held up. One that was interrupted is built anew.
 */
export class IndexChangesAndJoinings1764000300000 implements MigrationInterface {
  readonly name = 'IndexChangesAndJoinings1764000300000';

  /** An index cannot be built CONCURRENTLY inside one. */
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS messages_changes');
    // A deletion is always later than an edit. The condition is what `coalesce(...) >= time` implies.
    await runner.query(`
      CREATE INDEX CONCURRENTLY messages_changes ON messages (conversation_id, (coalesce(deleted_at, edited_at)))
      WHERE coalesce(deleted_at, edited_at) IS NOT NULL
    `);
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS conversation_members_by_joining');
    await runner.query('CREATE INDEX CONCURRENTLY conversation_members_by_joining ON conversation_members (joined_at)');
  }

  readonly down = forwardOnly;
}
