import { describe } from 'vitest';
import { aRow } from '../../builders.contract.js';
import { type DeadLettersUnderTest, deadLettersContract, QUEUE, ROOM } from '../../dead-letters/dead-letters.contract.js';
import { MemoryBus } from './memory-bus.js';
import { MemoryDeadLetters } from './memory-dead-letters.js';

const start = async (): Promise<DeadLettersUnderTest> => {
  const bus = new MemoryBus({ bufferSize: ROOM, publishTimeoutMs: 100, pipeline: { [QUEUE]: aRow() } });
  return {
    port: new MemoryDeadLetters(bus),
    copyTo: (queue, message) => bus.copyTo(queue, message),
    takeAll: async (queue) => bus.queue(queue).takeAll(),
    stop: async () => bus.stop(),
  };
};

describe('MemoryDeadLetters', () => {
  deadLettersContract(start);
});
