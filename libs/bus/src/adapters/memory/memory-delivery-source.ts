import type { Delivery } from '../../consume/source/delivery.js';
import { type DeliveryListener, DeliverySourcePort, DeliverySourcesPort } from '../../consume/source/delivery-source.port.js';
import type { PublishOutcome } from '../../publish/publisher.port.js';
import type { WireMessage } from '../../wire-message.js';
import type { InProcessBus } from './in-process-bus.js';
import type { MemoryConsumption, MemoryQueue } from './memory-queue.js';

/** The deliveries of one queue of a bus inside the process. It never loses a generation: there is no connection that could break. */
export class MemoryDeliverySource extends DeliverySourcePort {
  private readonly queue: MemoryQueue;
  private consumption: MemoryConsumption | undefined;

  constructor(
    private readonly bus: InProcessBus,
    queue: string,
    private readonly prefetch: number,
  ) {
    super();
    this.queue = bus.queue(queue);
  }

  listen(listener: DeliveryListener): void {
    this.consumption = this.queue.consume(this.prefetch, (delivery) => listener.onDelivery(delivery));
  }

  consume(): void {
    if (this.consumption !== undefined) this.queue.setOpen(this.consumption, true);
  }

  async cancel(): Promise<void> {
    if (this.consumption !== undefined) this.queue.setOpen(this.consumption, false);
  }

  ack(deliveries: readonly Delivery[]): void {
    this.consumption?.settle(deliveries.map(({ tag }) => tag));
  }

  copyTo(queue: string, message: WireMessage): Promise<PublishOutcome> {
    return this.bus.copyTo(queue, message);
  }

  /** Ends the consumption; its unsettled deliveries go back to the queue. */
  close(): void {
    if (this.consumption !== undefined) this.queue.end(this.consumption);
  }
}

/** Delivers from a bus inside the process; there is nothing to connect to. */
export class MemoryDeliverySources extends DeliverySourcesPort {
  private readonly opened: MemoryDeliverySource[] = [];

  constructor(override readonly client: InProcessBus) {
    super();
  }

  sourceOf(queue: string, prefetch: number): DeliverySourcePort {
    const source = new MemoryDeliverySource(this.client, queue, prefetch);
    this.opened.push(source);
    return source;
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    for (const source of this.opened) source.close();
  }
}
