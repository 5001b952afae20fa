import { catalogueContract } from '../../activities/catalogue.contract.js';
import { MemoryCatalogue } from './memory-catalogue.js';

catalogueContract('MemoryCatalogue', async () => {
  const store = new MemoryCatalogue();
  return { store, change: async (rows) => store.change(rows) };
});
