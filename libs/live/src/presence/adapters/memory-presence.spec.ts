import { presenceContract } from '../presence.contract.js';
import { MemoryPresence } from './memory-presence.js';

presenceContract('MemoryPresence', async () => {
  const presence = new MemoryPresence();
  return { presence, stop: async () => presence.stop() };
});
