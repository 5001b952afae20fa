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
    stop: () => database.drop(),
  };
});
