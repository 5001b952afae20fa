import { deviceStoreContract } from '../device-store.contract.js';
import { MemoryDeviceStore } from './memory-device-store.js';

deviceStoreContract('MemoryDeviceStore', async () => {
  const store = new MemoryDeviceStore();
  return { store, all: async () => [...store.devices.values()], clear: async () => store.devices.clear() };
});
