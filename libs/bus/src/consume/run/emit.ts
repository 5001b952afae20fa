import type { EventType, ParleyEvent } from '#lib/contracts/events';
import { Interrupted } from '../../outcome.js';
import type { EventHeaders, PublisherPort, PublishOutcome } from '../../publish/publisher.port.js';
import type { Received } from '../buffer/received.js';
import type { Layer } from './layer.js';
import { contextOf } from './trace.js';
import { untilConfirmed } from '../../publish/until-confirmed.js';

/** What emitting needs. */
export interface EmitSettings {
  readonly publisher: PublisherPort;
  /** Event types that the handler may return: the row's `emits`. */
  readonly emits: readonly EventType[];
  /** Aborts the wait for the broker when the process stops. */
  readonly signal: AbortSignal;
  readonly onFailure?: (outcome: PublishOutcome, failures: number) => void;
}

/** Half of the places that a publisher has by default (BUS_CONFIRM_WINDOW): 10,000 pushes at once would leave none for retries and other batches. */
const AT_ONCE = 128;

/**
 * Publishes the handler's events and waits for the confirms; only then may the deliveries be settled. Retries while the broker refuses:
 * the handler is done and may not return the same events again.
 * @throws Interrupted when the process stops first: the deliveries come again and the handler runs again.
 */
export const emit =
  ({ publisher, emits, signal, onFailure }: EmitSettings): Layer =>
  (next) =>
  async (items) => {
    const events = await next(items);
    const undeclared = events.find(({ type }) => !emits.includes(type));
    if (undeclared !== undefined) throw new TypeError(`${undeclared.type} is not among the events that the row of this queue emits`);
    const publish = (event: ParleyEvent) => untilConfirmed(() => publisher.publish(event, headersFrom(items, event)), signal, onFailure);
    for (let from = 0; from < events.length; from += AT_ONCE) {
      const confirmed = await Promise.all(events.slice(from, from + AT_ONCE).map(publish));
      if (confirmed.includes(false)) throw new Interrupted('stopped before the broker confirmed the emitted events');
    }
    return events;
  };

/** The ids of the event that caused a new one: of the same message, else of the same conversation. */
const headersFrom = (items: readonly Received[], event: ParleyEvent): EventHeaders => {
  const messageId = 'messageId' in event.data ? event.data.messageId : undefined;
  const source =
    items.find((item) => 'messageId' in item.event.data && item.event.data.messageId === messageId) ??
    items.find((item) => item.event.conversationId === event.conversationId);
  if (source === undefined) return {};
  const { requestId, traceparent } = source.context ?? contextOf(source.delivery, source.event);
  return { requestId, traceparent };
};
