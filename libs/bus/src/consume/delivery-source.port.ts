import type { Delivery } from './delivery.js';
import type { PublishOutcome } from '../publish/publisher.port.js';
import type { WireMessage } from '../wire-message.js';

/** What a tap tells the consumer behind it. Both are called synchronously and must not throw. */
export interface DeliveryListener {
  onDelivery(delivery: Delivery): void;
  /** A generation is over (its channel died): what it delivered and is not settled will be delivered again. */
  onLost(generation: number): void;
}

/**
 * One work queue as its consumer sees it. Each transport has one; everything above it is the same for all of them.
 *
 *     shut --open()--> open --shut()--> shut      what was delivered stays ours through any number of these
 *     either --close()--> closed                  what is not settled by then goes back to the queue
 */
export abstract class DeliverySourcePort {
  /** Tells the tap whom to deliver to; once, before the first `open`. */
  abstract listen(listener: DeliveryListener): void;
  /** Lets messages flow, at most a prefetch of them unsettled. Keeps flowing through broken channels and connections until `shut`. */
  abstract consume(): void;
  /** Stops the flow. Resolves when nothing more will be delivered, or when the transport did not say so in time. */
  abstract cancel(): Promise<void>;
  /** Settles deliveries as done. Those whose generation is gone are passed over: they will come again. Never throws. */
  abstract ack(deliveries: readonly Delivery[]): void;
  /** Puts a copy of a message into a queue by name. Never rejects; only `confirmed` means that it is there. */
  abstract copyTo(queue: string, message: WireMessage): Promise<PublishOutcome>;
  /** Ends it. What is not settled goes back to the queue. */
  abstract close(): Promise<void>;
}
