import type { ParleyEvent } from '#lib/contracts/events';
import { runInContext, type WorkContext } from '#lib/runtime/log/context';
import { childTraceparent, parseTraceparent } from '#lib/runtime/log/traceparent';
import type { Received } from '../buffer/received.js';
import type { Layer } from './layer.js';
import { header, textHeader, type WireMessage } from '../../wire-message.js';

/** Runs a batch in the log context of its events, so that each log line and call below carries their ids (R022). */
export const trace: Layer = (next) => (items) => runInContext(sharedContext(items), () => next(items));

/** The ids of one event; `traceparent` names a child span of the publisher's. */
export const contextOf = (message: WireMessage, event: ParleyEvent): WorkContext => {
  const requestId = textHeader(message, header.requestId);
  const traceparent = childOf(textHeader(message, header.traceparent));
  return {
    ...(requestId === undefined ? {} : { requestId }),
    ...(event.conversationId === null ? {} : { conversationId: event.conversationId }),
    ...('messageId' in event.data ? { messageId: event.data.messageId } : {}),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
};

/** The ids that all items share. A batch of many conversations has none; the log line of each event has its own. */
const sharedContext = (items: readonly Received[]): WorkContext => {
  const [first, ...others] = items.map(({ delivery, event }) => contextOf(delivery, event));
  if (first === undefined || others.length === 0) return first ?? {};
  const shared = Object.entries(first).filter(([name, value]) => others.every((other) => other[name as keyof WorkContext] === value));
  return Object.fromEntries(shared);
};

// An event without a trace starts none, unlike a request.
const childOf = (traceparent: string | undefined): string | undefined =>
  parseTraceparent(traceparent) === undefined ? undefined : childTraceparent(traceparent);
