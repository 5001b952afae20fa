import { MemoryFriendshipStore } from '#lib/scores/friendship/adapters/memory-friendship-store';
import { exactlyOnceContract, seedsOfRun } from './exactly-once.contract.js';

exactlyOnceContract('memory', async () => new MemoryFriendshipStore(), seedsOfRun(20));
