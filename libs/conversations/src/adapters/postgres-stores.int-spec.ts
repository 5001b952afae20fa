import { afterAll, beforeAll, inject } from 'vitest';
import type { EventHeaders } from '#lib/bus/publisher.port';
import type { ParleyEvent } from '#lib/contracts/events';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { conversationStoreContract } from '../conversation-store.contract.js';
import { messageStoreContract, type StoresSetup } from '../message-store.contract.js';
import { PostgresConversationStore } from './postgres-conversation-store.js';
import { PostgresMessageStore } from './postgres-message-store.js';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(async () => database.drop());

const make = async (): Promise<StoresSetup> => {
  await database.lane('work').query('TRUNCATE conversations, conversation_members, messages, outbox');
  return {
    messages: new PostgresMessageStore(database.lane('sends'), database.lane('reads'), database.lane('edits')),
    conversations: new PostgresConversationStore(database.lane('reads')),
    announced: () =>
      database
        .lane('work')
        .query<{ event: ParleyEvent; headers: EventHeaders }>('SELECT envelope AS event, headers FROM outbox ORDER BY event_id'),
  };
};

messageStoreContract(make);
conversationStoreContract(make);
