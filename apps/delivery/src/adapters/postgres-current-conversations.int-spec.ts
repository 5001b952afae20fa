import { inject } from 'vitest';
import { PostgresConversationStore } from '#lib/conversations/adapters/postgres-conversation-store';
import { PostgresMessageStore } from '#lib/conversations/adapters/postgres-message-store';
import { migratedDatabase } from '#lib/testing/migrated-database';
import { currentConversationsContract } from '../current-conversations.contract.js';
import { PostgresCurrentConversations } from './postgres-current-conversations.js';

currentConversationsContract('PostgresCurrentConversations', async () => {
  const database = await migratedDatabase(inject('stack').databaseUrl);
  return {
    current: new PostgresCurrentConversations(database.lane('work')),
    messages: new PostgresMessageStore(database.lane('sends'), database.lane('reads'), database.lane('edits')),
    conversations: new PostgresConversationStore(database.dataSource, database.lane('reads')),
    scored: async ({ endId, userId, conversationId, scoreChange, score, degraded, version, updatedAt }) => {
      const query = (text: string, values: unknown[]) => database.lane('work').query(text, values);
      await query(
        `INSERT INTO conversation_ends (id, created_at, start_time, end_time, user_id, conversation_id, event_id, body_hash)
         VALUES ($1, now(), now(), now(), $2, $3, $4, $4)`,
        [endId, userId, conversationId, endId],
      );
      await query(
        `INSERT INTO friendship_statuses (user_id, score, version, topic_metrics, degraded_ends, updated_at) VALUES ($1, $2, $3, '{}', $4, $5)
         ON CONFLICT (user_id) DO UPDATE SET score = excluded.score, version = excluded.version`,
        [userId, score, version, degraded ? [endId] : [], updatedAt],
      );
      if (degraded) return;
      await query(
        `INSERT INTO score_changes (applied_at, ended_at, end_id, scoring_version, revision, status_version, worth, score_change, score_after,
           is_degraded_after, user_id, conversation_id, fingerprint, topics, topic_changes, analysis, provenance, reasons)
         VALUES ($1, now(), $2, 1, 1, $3, 0, $4, $5, false, $6, $7, 'x', '[]', '{}', '{}', '{}', '[]')`,
        [updatedAt, endId, version, scoreChange, score, userId, conversationId],
      );
    },
    stop: () => database.drop(),
  };
});
