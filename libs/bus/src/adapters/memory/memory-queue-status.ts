import type { QueueStatus } from '#lib/contracts/http';
import { QueueStatusPort, statusOf, type UnknownQueue } from '../../queue-status/queue-status.port.js';
import { deadLetterQueue } from '../../topology.js';
import type { MemoryBus } from './memory-bus.js';

/** The state of the queues of the memory bus. */
export class MemoryQueueStatus extends QueueStatusPort {
  constructor(private readonly bus: MemoryBus) {
    super();
  }

  async read(): Promise<QueueStatus[]> {
    return Object.keys(this.bus.pipeline).map((name) => {
      const { readyCount: ready, unsettledCount: unacked, consumerCount: consumers } = this.bus.queue(name);
      return statusOf(name, { ready, unacked, consumers }, this.bus.queue(deadLetterQueue(name)).readyCount);
    });
  }

  /** None: it has the queues of its pipeline and no others. */
  override async unknownQueues(): Promise<UnknownQueue[]> {
    return [];
  }
}
