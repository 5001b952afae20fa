import type { QueueStatus } from '#lib/contracts/http';
import { QueueStatusPort } from '../queue-status.port.js';
import type { MemoryBus } from './memory-bus.js';

/** What waits in the queues of the memory bus. */
export class MemoryQueueStatus extends QueueStatusPort {
  constructor(private readonly bus: MemoryBus) {
    super();
  }

  async read(): Promise<QueueStatus[]> {
    return this.bus.status();
  }
}
