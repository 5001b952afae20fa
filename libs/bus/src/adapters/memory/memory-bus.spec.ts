import { describe } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { type BusPlan, type BusUnderTest, busContract } from '../../bus.contract.js';
import { MemoryBus } from './memory-bus.js';
import { MemoryServer } from './memory-server.js';

const start = async ({ pipeline, retryDelaysMs, room }: BusPlan): Promise<BusUnderTest> => {
  const bus = new MemoryBus({ pipeline, retryDelaysMs, bufferSize: room, publishTimeoutMs: 20 });
  const logger = createLogger('test', process.env['BUS_LOG'] ?? 'silent');
  return {
    publisher: bus,
    serve: (options) => new MemoryServer({ app: 'embedding', bus, logger, ...options }),
    copyTo: (queue, message) => bus.copyTo(queue, message),
    readyIn: async (queue) => bus.queue(queue).readyCount,
    takeAll: async (queue) => bus.queue(queue).takeAll(),
    stop: async () => bus.stop(),
  };
};

describe('MemoryBus', () => {
  busContract(start);
});
