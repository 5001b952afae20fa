import { MemoryArchive } from '#lib/conversations/adapters/memory-archive';
import { MemoryConversationStore } from '#lib/conversations/adapters/memory-conversation-store';
import { MemoryMessageStore } from '#lib/conversations/adapters/memory-message-store';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { currentConversationsContract } from '../current-conversations.contract.js';
import { MemoryCurrentConversations } from './memory-current-conversations.js';

currentConversationsContract('MemoryCurrentConversations', async () => {
  const [archive, outbox] = [new MemoryArchive(), new MemoryOutbox()];
  const current = new MemoryCurrentConversations(archive);
  return {
    current,
    scored: async (score) => void current.committedScores.push(score),
    messages: new MemoryMessageStore(archive, outbox),
    conversations: new MemoryConversationStore(archive, outbox),
  };
});
