import { newId } from '#lib/contracts/ids';
import { pushStoreContract } from '../../push/push-store.contract.js';
import { MemoryPushStore } from './memory-push-store.js';

pushStoreContract('MemoryPushStore', async () => {
  const store = new MemoryPushStore();
  return {
    store,
    addConversation: async ({ id, title, readSeqs, messages }) => {
      const all = messages.map(({ isDeleted = false, ...message }) => ({ ...message, id: newId(), isDeleted }));
      store.conversations.set(id, { title, readSeqs: new Map(Object.entries(readSeqs)), messages: all });
    },
    addDevice: async (userId, id, device) => void store.devices.set(userId, (store.devices.get(userId) ?? new Map()).set(id, device)),
    clear: async () => {
      store.devices.clear();
      store.conversations.clear();
    },
  };
});
