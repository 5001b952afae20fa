import { friendshipStoreContract } from '../friendship-store.contract.js';
import { MemoryFriendshipStore } from './memory-friendship-store.js';

friendshipStoreContract('MemoryFriendshipStore', async () => {
  const store = new MemoryFriendshipStore();
  const falsify = async (userId: string) => {
    const status = await store.find(userId);
    store.statuses.set(userId, { ...status, score: status.score + 1 });
  };
  return { store, falsify };
});
