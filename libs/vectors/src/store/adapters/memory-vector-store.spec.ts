import { CONTRACT_DIMENSION, vectorStoreContract } from '../vector-store.contract.js';
import { MemoryVectorStore } from './memory-vector-store.js';

vectorStoreContract('MemoryVectorStore', async () => ({ store: new MemoryVectorStore(CONTRACT_DIMENSION) }));
