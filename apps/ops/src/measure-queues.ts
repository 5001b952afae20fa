import { Injectable } from '@nestjs/common';
import { QueueWatch } from '#lib/bus/queue-status/queue-watch';
import { deadLetterQueue } from '#lib/bus/topology';
import { metrics } from '#lib/runtime/metrics/metrics';

const gauges = {
  ready: metrics.queueLength,
  consumers: metrics.queueConsumers,
  age: metrics.queueOldestAge,
  paused: metrics.consumerPaused,
} as const;

/**
 * Keeps `queue_length`, `queue_consumers`, `queue_oldest_age_seconds` and `consumer_paused` up to date for every queue: work queues and unknown ones by their
 * name, dead letters under `<queue>.dlq`. An unknown depth has no value: neither 0 nor the last one.
 */
@Injectable()
export class MeasureQueues {
  private shown = new Set<string>();

  constructor(private readonly queues: QueueWatch) {}

  async execute(): Promise<void> {
    const { items } = await this.queues.read();
    for (const { name, ready, consumers, deadLetters, oldestAgeSeconds, paused, unknown } of items) {
      show('ready', name, ready);
      // An unknown queue has none by its nature.
      show('consumers', name, unknown ? null : consumers);
      show('age', name, oldestAgeSeconds);
      show('paused', name, paused === null ? null : Number(paused));
      if (!unknown) show('ready', deadLetterQueue(name), deadLetters);
    }
    const names = new Set(items.map(({ name }) => name));
    const gone = [...this.shown].filter((name) => !names.has(name));
    for (const queue of gone) for (const gauge of Object.values(gauges)) gauge.remove({ queue });
    this.shown = names;
  }
}

function show(gauge: keyof typeof gauges, queue: string, value: number | null): void {
  if (value === null) gauges[gauge].remove({ queue });
  else gauges[gauge].set({ queue }, value);
}
