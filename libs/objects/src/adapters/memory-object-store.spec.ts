import { objectStoreContract } from '../object-store.contract.js';
import { MemoryObjectStore } from './memory-object-store.js';

objectStoreContract('MemoryObjectStore', async () => {
  const store = new MemoryObjectStore();
  return { store, clear: async () => store.objects.clear() };
});
