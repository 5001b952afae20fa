import { friendshipStoreContract } from '../friendship-store.contract.js';
import { MemoryFriendshipStore } from './memory-friendship-store.js';

friendshipStoreContract('MemoryFriendshipStore', async () => {
  const ends = new Map<string, string>();
  const store = new MemoryFriendshipStore((endId) => ends.has(endId));
  const falsify = async (userId: string) => {
    const status = await store.find(userId);
    store.statuses.set(userId, { ...status, score: status.score + 1 });
  };
  const addEnd = async ({ endId, userId }: { endId: string; userId: string }) => void ends.set(endId, userId);
  const erase = async (userId: string) => {
    for (const [endId, owner] of ends) if (owner === userId) ends.delete(endId);
    store.statuses.delete(userId);
    store.changes = store.changes.filter((change) => change.userId !== userId);
  };
  return { store, addEnd, erase, falsify };
});
