import { expect, it } from 'vitest';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { conversationFeedContract, type FeedSetup } from '../conversation-feed.contract.js';
import { conversationStoreContract } from '../conversation-store.contract.js';
import { messageStoreContract } from '../message-store.contract.js';
import { recentMessagesContract } from '../recent-messages.contract.js';
import { MemoryArchive } from './memory-archive.js';
import { MemoryConversationFeed } from './memory-conversation-feed.js';
import { MemoryConversationStore } from './memory-conversation-store.js';
import { MemoryMessageStore } from './memory-message-store.js';
import { MemoryRecentMessages } from './memory-recent-messages.js';

const make = async (): Promise<FeedSetup & { recent: MemoryRecentMessages }> => {
  const [archive, outbox] = [new MemoryArchive(), new MemoryOutbox()];
  return {
    feed: new MemoryConversationFeed(archive),
    recent: new MemoryRecentMessages(archive),
    messages: new MemoryMessageStore(archive, outbox),
    conversations: new MemoryConversationStore(archive, outbox),
    limited: (limits) => new MemoryConversationStore(archive, outbox, limits),
    announced: async () =>
      (await outbox.lease({ limit: 10_000, olderThanMs: 0, leaseMs: 0 })).map(({ event, headers }) => ({ event, headers })),
  };
};

messageStoreContract(make);
conversationStoreContract(make);
conversationFeedContract(make);
recentMessagesContract(make);

it('a reader of very many conversations in memory sees those that it started or read in first, and learns that there are more', async () => {
  const [archive, outbox] = [new MemoryArchive(), new MemoryOutbox()];
  const conversations = new MemoryConversationStore(archive, outbox);
  const own = await conversations.create({ title: null, creatorId: 'alice', memberIds: [] });
  for (let i = 0; i < 10_000; i += 1) await conversations.create({ title: null, creatorId: 'mallory', memberIds: ['alice'] });
  const { ids, isCut } = await conversations.visibleTo('alice');
  expect([ids.length, ids[0], isCut]).toEqual([10_000, own.id, true]);
});
