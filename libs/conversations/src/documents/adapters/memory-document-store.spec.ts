import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { MemoryArchive } from '../../adapters/memory-archive.js';
import { MemoryConversationStore } from '../../adapters/memory-conversation-store.js';
import { documentStoreContract } from '../document-store.contract.js';
import { MemoryDocumentStore } from './memory-document-store.js';

documentStoreContract('MemoryDocumentStore', async () => {
  const [archive, outbox] = [new MemoryArchive(), new MemoryOutbox()];
  const conversations = new MemoryConversationStore(archive, outbox);
  const documents = new MemoryDocumentStore(archive, outbox);
  return {
    documents,
    start: async (creatorId, ...memberIds) => (await conversations.create({ title: null, creatorId: creatorId ?? '', memberIds })).id,
    leave: async (conversationId, member) => void (await conversations.removeMember(conversationId, member, member)),
    announced: async (id) => outbox.events.filter((event) => event.type === 'document.created' && event.data.documentId === id).length,
    partIds: async (documentId) => documents.parts.filter((part) => part.documentId === documentId).map(({ id }) => id),
  };
});
