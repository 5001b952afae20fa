import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** Finds the users who ended a conversation, when a service asks for its score and names no user. Built while the previous version runs. */
export class IndexEndsByConversation1764001200000 implements MigrationInterface {
  readonly name = 'IndexEndsByConversation1764001200000';

  /** An index cannot be built CONCURRENTLY inside one. */
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS conversation_ends_by_conversation');
    await runner.query('CREATE INDEX CONCURRENTLY conversation_ends_by_conversation ON conversation_ends (conversation_id, user_id)');
  }

  readonly down = forwardOnly;
}
