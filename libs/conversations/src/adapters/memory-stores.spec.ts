import { MemoryOutbox } from '#lib/database/adapters/memory-outbox';
import { conversationStoreContract } from '../conversation-store.contract.js';
import { messageStoreContract, type StoresSetup } from '../message-store.contract.js';
import { MemoryArchive } from './memory-archive.js';
import { MemoryConversationStore } from './memory-conversation-store.js';
import { MemoryMessageStore } from './memory-message-store.js';

const make = async (): Promise<StoresSetup> => {
  const [archive, outbox] = [new MemoryArchive(), new MemoryOutbox()];
  return {
    messages: new MemoryMessageStore(archive, outbox),
    conversations: new MemoryConversationStore(archive),
    announced: async () =>
      (await outbox.lease({ limit: 10_000, olderThanMs: 0, leaseMs: 0 })).map(({ event, headers }) => ({ event, headers })),
  };
};

messageStoreContract(make);
conversationStoreContract(make);
