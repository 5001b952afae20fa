import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { jobStoreContract } from '../job-store.contract.js';
import { MemoryJobStore } from './memory-job-store.js';

jobStoreContract('MemoryJobStore', async () => {
  const outbox = new MemoryOutbox();
  return { store: new MemoryJobStore(outbox), announced: async () => outbox.events.map(({ eventId }) => eventId) };
});
