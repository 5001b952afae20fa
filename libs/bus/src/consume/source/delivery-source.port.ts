import type { PublishOutcome } from '../../publish/publisher.port.js';
import type { WireMessage } from '../../wire-message.js';
import type { Delivery } from './delivery.js';

/** What a delivery source tells its consumer. Both are called synchronously and must not throw. */
export interface DeliveryListener {
  onDelivery(delivery: Delivery): void;
  /** A generation is over (its channel closed): its unsettled deliveries will be delivered again. */
  onLost(generation: number): void;
}

/**
 * Delivers the messages of one work queue to its consumer. Each transport has one; everything above it is the same for all of them.
 *
 *     idle --consume()--> consuming --cancel()--> idle      deliveries stay with the consumer through any number of these
 *     either --close()--> closed                            unsettled deliveries go back to the queue
 */
export abstract class DeliverySourcePort {
  /** Sets the listener; once, before the first `consume`. */
  abstract listen(listener: DeliveryListener): void;
  /** Starts deliveries, at most a prefetch of them unsettled. They go on through broken channels and connections until `cancel`. */
  abstract consume(): void;
  /** Stops deliveries. Resolves when no more will come, or when the transport did not confirm that in time. */
  abstract cancel(): Promise<void>;
  /** Acknowledges deliveries. Those of a lost generation are ignored: they will be delivered again. Never throws. */
  abstract ack(deliveries: readonly Delivery[]): void;
  /** Puts a copy of a message into a queue by name. Never rejects; only `confirmed` means that the queue has it. */
  abstract copyTo(queue: string, message: WireMessage): Promise<PublishOutcome>;
}

/** The delivery sources of one process over one transport, with the connection they share. */
export abstract class DeliverySourcesPort {
  /** Makes the source of a queue; before `start`. At most `prefetch` of its deliveries are unsettled at once. */
  abstract sourceOf(queue: string, prefetch: number): DeliverySourcePort;
  /** Connects. Resolves after the first try; the broker may be away. */
  abstract start(): Promise<void>;
  /** Closes the sources, then the connection. Unsettled deliveries go back to their queues. */
  abstract stop(): Promise<void>;
  /** The transport's own client, for Nest's `unwrap`. */
  abstract readonly client: unknown;
}
