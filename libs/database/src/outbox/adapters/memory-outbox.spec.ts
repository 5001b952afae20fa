import { outboxContract } from '../outbox.contract.js';
import { MemoryOutbox } from './memory-outbox.js';

outboxContract(async () => {
  const outbox = new MemoryOutbox();
  return { outbox, write: async (event, headers) => outbox.add(event, headers) };
});
