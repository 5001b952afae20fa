import type { QueueStatus } from '#lib/contracts/http';
import { QueueStatusPort, type UnknownQueue } from '../../queue-status/queue-status.port.js';
import type { MemoryBus } from './memory-bus.js';

/** What waits in the queues of the memory bus. */
export class MemoryQueueStatus extends QueueStatusPort {
  constructor(private readonly bus: MemoryBus) {
    super();
  }

  async read(): Promise<QueueStatus[]> {
    return this.bus.status();
  }

  /** None: it has the queues of its pipeline and no others. */
  override async unknownQueues(): Promise<UnknownQueue[]> {
    return [];
  }
}
