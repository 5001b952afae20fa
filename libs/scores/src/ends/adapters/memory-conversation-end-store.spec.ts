import { newId } from '#lib/contracts/ids';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { conversationEndStoreContract } from '../conversation-end-store.contract.js';
import { MemoryConversationEndStore } from './memory-conversation-end-store.js';

conversationEndStoreContract('MemoryConversationEndStore', async () => {
  const conversations = new Map<string, { members: readonly string[]; headSeq: number }>();
  const outbox = new MemoryOutbox();
  const store = new MemoryConversationEndStore(outbox, (id, userId) => {
    const found = conversations.get(id);
    return found && { isMember: found.members.includes(userId), headSeq: found.headSeq };
  });
  return {
    store,
    conversation: async (members, headSeq) => {
      const id = newId();
      conversations.set(id, { members, headSeq });
      return id;
    },
    addMessages: async (id, count) => {
      const conversation = conversations.get(id);
      if (conversation !== undefined) conversation.headSeq += count;
    },
    events: async () => outbox.events,
    clear: async () => {
      for (const userId of ['alice', 'bob']) await store.removeOf(userId, 1_000);
      await outbox.remove(outbox.events.map(({ eventId }) => eventId));
    },
  };
});
