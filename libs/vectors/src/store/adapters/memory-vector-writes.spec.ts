import { vectorWritesContract } from '../vector-writes.contract.js';
import { MemoryVectorWrites } from './memory-vector-writes.js';

vectorWritesContract('MemoryVectorWrites', async () => ({ writes: new MemoryVectorWrites() }));
