import type { QueueStatus } from '#lib/contracts/http';
import { QueueStatusPort, statusOf, type UnknownQueue } from '../../queue-status/queue-status.port.js';
import { deadLetterQueue } from '../../topology.js';
import type { JournaledBus } from './journaled-bus.js';

/** The state of the queues of the journaled bus. */
export class JournaledQueueStatus extends QueueStatusPort {
  constructor(private readonly bus: JournaledBus) {
    super();
  }

  async read(): Promise<QueueStatus[]> {
    return Object.keys(this.bus.pipeline).map((name) => {
      const { unsettledCount: unacked, consumerCount: consumers } = this.bus.queue(name);
      return statusOf(name, { ready: this.bus.readyIn(name), unacked, consumers }, this.bus.readyIn(deadLetterQueue(name)));
    });
  }

  /** None: it has the queues of its pipeline and no others. */
  override async unknownQueues(): Promise<UnknownQueue[]> {
    return [];
  }
}
