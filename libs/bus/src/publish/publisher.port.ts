import type { ParleyEvent } from '#lib/contracts/events';

/** What happened to one published event. Only `confirmed` means that the broker has it on disk. */
export type PublishOutcome =
  | { readonly kind: 'confirmed' }
  /** No queue is bound for its routing key: a topology fault, trying again at once is pointless. */
  | { readonly kind: 'returned'; readonly reason: string }
  /** The broker refused it (a queue is full): try later. */
  | { readonly kind: 'nacked'; readonly reason: string }
  /** Timeout or closed channel: it may or may not be there. Publish again with the same event id. */
  | { readonly kind: 'ambiguous'; readonly reason: string };

/** Headers that travel with an event beside its envelope. */
export interface EventHeaders {
  readonly requestId?: string | undefined;
  readonly traceparent?: string | undefined;
}

/** Publishes events to `parley.events`. Never throws for what the broker does: the outcome says it. Waits at most BUS_PUBLISH_TIMEOUT_MS. */
export abstract class PublisherPort {
  /** Settles when the broker has taken or refused the event. Validates against the event's schema first; throws ZodError for a bad one (a bug). */
  abstract publish(event: ParleyEvent, headers?: EventHeaders): Promise<PublishOutcome>;

  /**
   * Like {@link publish}, for an event that this process made of input that it has parsed: a publisher need not ask its schema again. Consumers
   * ask it in any case. May throw instead of rejecting.
   */
  publishOwn(event: ParleyEvent, headers: EventHeaders): Promise<PublishOutcome> {
    return this.publish(event, headers);
  }

  /** Whether publishing makes sense now: connected, not blocked by an alarm, room in the confirm window. */
  abstract readonly isHealthy: boolean;
  /** Calls `listener` when the queues were declared, so that what was returned may be taken now. @returns a function that ends it. */
  onDeclared(_listener: () => void): () => void {
    return () => undefined;
  }
  /** Share of its buffer in use, 0 to 1; 0 for one that has none. */
  get bufferUsed(): number {
    return 0;
  }
}
