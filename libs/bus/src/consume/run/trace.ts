import type { ParleyEvent } from '#lib/contracts/events';
import { runInContext, type WorkContext } from '#lib/runtime/log/context';
import { childTraceparent, parseTraceparent } from '#lib/runtime/log/traceparent';
import type { Received } from '../buffer/received.js';
import type { Layer } from './layer.js';
import { header, textHeader, type WireMessage } from '../../wire-message.js';

/** Runs the rest with the ids of what is being handled, so that each log line and each call below carries them (R022). */
export const trace: Layer = (next) => (items) => runInContext(sharedContext(items), () => next(items));

/** The ids of one event; `traceparent` names a span of its own below the one that published the event. */
export const contextOf = (message: WireMessage, event: ParleyEvent): WorkContext => {
  const requestId = textHeader(message, header.requestId);
  const traceparent = childOf(textHeader(message, header.traceparent));
  return {
    ...(requestId === undefined ? {} : { requestId }),
    conversationId: event.conversationId,
    ...('messageId' in event.data ? { messageId: event.data.messageId } : {}),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
};

/** What all items have in common. A batch of many conversations has no conversation; its lines per event have. */
const sharedContext = (items: readonly Received[]): WorkContext => {
  const [first, ...others] = items.map(({ delivery, event }) => contextOf(delivery, event));
  if (first === undefined || others.length === 0) return first ?? {};
  const shared = Object.entries(first).filter(([name, value]) => others.every((other) => other[name as keyof WorkContext] === value));
  return Object.fromEntries(shared);
};

// Unlike a request, an event without a trace begins none.
const childOf = (traceparent: string | undefined): string | undefined =>
  parseTraceparent(traceparent) === undefined ? undefined : childTraceparent(traceparent);
