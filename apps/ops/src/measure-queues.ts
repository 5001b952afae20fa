import { QueueStatusPort } from '#lib/bus/queue-status.port';
import { deadLetterQueue } from '#lib/bus/topology';
import { metrics } from '#lib/runtime/metrics';

/** Keeps `queue_length` up to date: work queues by their name, dead letters under `<queue>.dlq`. What is not known has no value, not 0. */
export class MeasureQueues {
  constructor(private readonly queues: QueueStatusPort) {}

  async execute(): Promise<void> {
    for (const { name, ready, deadLetters } of await this.queues.read()) {
      show(name, ready);
      show(deadLetterQueue(name), deadLetters);
    }
  }
}

function show(queue: string, length: number | null): void {
  if (length === null) metrics.queueLength.remove({ queue });
  else metrics.queueLength.set({ queue }, length);
}
