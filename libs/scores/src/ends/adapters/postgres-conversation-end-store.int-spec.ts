import { inject } from 'vitest';
import type { ParleyEvent } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import { migratedDatabase } from '#lib/testing/migrated-database';
import { conversationEndStoreContract } from '../conversation-end-store.contract.js';
import { PostgresConversationEndStore } from './postgres-conversation-end-store.js';

const ADD_MESSAGES = `
  WITH raised AS (UPDATE conversations SET head_seq = head_seq + $2 WHERE id = $1 RETURNING head_seq)
  SELECT head_seq FROM raised`;

conversationEndStoreContract('PostgresConversationEndStore', async () => {
  const database = await migratedDatabase(inject('stack').databaseUrl);
  const query = database.lane('work').query.bind(database.lane('work'));
  return {
    store: new PostgresConversationEndStore(database.dataSource),
    conversation: async (members, messageCount) => {
      const id = newId();
      await query(
        `INSERT INTO conversations (id, creator_id, head_seq, created_at, last_activity_at) VALUES ($1, 'bob', $2, now(), now())`,
        [id, messageCount],
      );
      await query('INSERT INTO conversation_members (conversation_id, user_id) SELECT $1, unnest($2::text[])', [id, members]);
      return id;
    },
    addMessages: async (id, count) => void (await query(ADD_MESSAGES, [id, count])),
    events: async () =>
      (await query<{ envelope: ParleyEvent }>('SELECT envelope FROM outbox ORDER BY created_at')).map(({ envelope }) => envelope),
    clear: async () => void (await query('TRUNCATE conversation_ends, conversation_logs, outbox CASCADE')),
    close: () => database.drop(),
  };
});
