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
  /** The row's `emits`: what its handler may return. */
  readonly emits: readonly EventType[];
  /** Fires when the process will not wait any longer. */
  readonly signal: AbortSignal;
  readonly onFailure?: (outcome: PublishOutcome, failures: number) => void;
}

/**
 * Publishes what the handler returned and waits until the broker has it; only then may the deliveries be settled. When the broker cannot
 * take it now, this layer keeps trying instead of failing: the handler has done its work and may not return the same events again.
 * @throws Interrupted when the process stops first: the deliveries come again, and the handler with them.
 */
export const emit =
  ({ publisher, emits, signal, onFailure }: EmitSettings): Layer =>
  (next) =>
  async (items) => {
    const events = await next(items);
    const stranger = events.find(({ type }) => !emits.includes(type));
    if (stranger !== undefined) throw new TypeError(`${stranger.type} is not among the events this queue's row says it emits`);
    const confirmed = await Promise.all(
      events.map((event) => untilConfirmed(() => publisher.publish(event, headersFrom(items, event)), signal, onFailure)),
    );
    if (confirmed.includes(false)) throw new Interrupted('stopped before the broker had taken what follows');
    return events;
  };

/** The ids that the new event inherits: from the event it is about. A batch cannot say more. */
const headersFrom = (items: readonly Received[], event: ParleyEvent): EventHeaders => {
  const messageId = 'messageId' in event.data ? event.data.messageId : undefined;
  const source =
    items.find((item) => 'messageId' in item.event.data && item.event.data.messageId === messageId) ??
    items.find((item) => item.event.conversationId === event.conversationId);
  if (source === undefined) return {};
  const { requestId, traceparent } = contextOf(source.delivery, source.event);
  return { requestId, traceparent };
};
