import { exactlyOnceContract, seedsOfRun } from './exactly-once.contract.js';
import { memoryScoreStores } from './scored-world.contract.js';

exactlyOnceContract('memory', async () => memoryScoreStores(), seedsOfRun(20));
