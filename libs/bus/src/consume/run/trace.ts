import type { ParleyEvent } from '#lib/contracts/events';
import { errorCode } from '#lib/runtime/log/error-code';
import { runInContext, type WorkContext } from '#lib/runtime/log/context';
import { childTraceparent, isSampled, parseTraceparent } from '#lib/runtime/log/traceparent';
import { isTracing, recordSpan, startSharedSpan } from '#lib/runtime/trace/span';
import { SomeFailed } from '../../outcome.js';
import type { Received } from '../buffer/received.js';
import type { Layer, Run } from './layer.js';
import { attemptOf, header, textHeader, type WireMessage } from '../../wire-message.js';

/**
 * Runs a batch in the log context of its events, so that each log line and call below carries their ids (R022), and gives each event the span of
 * its handling: below its publisher's, and linked to the batch that it was handled with. What the batch did is below a span of its own, because
 * one span has one parent.
 */
export const trace =
  (queue: string): Layer =>
  (next) =>
  (items) => {
    for (const item of items) item.context = contextOf(item.delivery, item.event);
    if (isTracing()) return traced(queue, items, next);
    return runInContext(sharedContext(items), () => next(items));
  };

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

/** Of events in hand whose trace is sampled. */
const traces = new WeakMap<ParleyEvent, string>();

/** The trace context in which an event is handled, for what follows from it by another way than an event; undefined when it is not sampled. */
export const traceparentOf = (event: ParleyEvent): string | undefined => traces.get(event);

const traced: (queue: string, items: readonly Received[], next: Run) => ReturnType<Run> = async (queue, items, next) => {
  const startedAt = performance.now();
  for (const { context, event } of items) {
    if (context?.traceparent !== undefined && isSampled(context.traceparent)) traces.set(event, context.traceparent);
  }
  const shared = sharedContext(items);
  const causes = items.map(({ context }) => context?.traceparent);
  const batch = items.length === 1 ? undefined : startSharedSpan(`process batch ${queue}`, 'consumer', causes);
  batch?.setAll(about(queue)).set('messaging.batch.message_count', items.length);
  const record = (failureOf: (item: Received) => unknown) => {
    for (const item of items) recordHandled(queue, item, { startedAt, batch: batch?.traceparent, error: failureOf(item) });
  };
  try {
    const events = await runInContext(batch === undefined ? shared : { ...shared, traceparent: batch.traceparent }, () => next(items));
    record(() => undefined);
    return events;
  } catch (error) {
    batch?.fail(error);
    // The events of a batch that failed as a whole run again, apart or later.
    if (error instanceof SomeFailed) record(({ event }) => error.errors.get(event.eventId));
    else if (batch === undefined) record(() => error);
    throw error;
  } finally {
    batch?.end();
  }
};

interface Handled {
  readonly startedAt: number;
  readonly batch: string | undefined;
  readonly error: unknown;
}

const recordHandled = (queue: string, { delivery, context, event }: Received, { startedAt, batch, error }: Handled): void => {
  if (context?.traceparent === undefined) return;
  recordSpan({
    name: `process ${queue}`,
    kind: 'consumer',
    traceparent: context.traceparent,
    parent: textHeader(delivery, header.traceparent),
    startedAt,
    attributes: {
      ...about(queue),
      'messaging.rabbitmq.destination.routing_key': delivery.type,
      'messaging.message.id': event.eventId,
      'app.attempt': attemptOf(delivery),
      'app.conversation_id': context.conversationId,
      'app.message_id': context.messageId,
    },
    links: batch === undefined ? [] : [batch],
    failure: error === undefined ? undefined : errorCode(error),
  });
};

const about = (queue: string) => ({
  'messaging.system': 'rabbitmq',
  'messaging.operation.type': 'process',
  'messaging.operation.name': 'process',
  'messaging.destination.name': queue,
});

/** The ids that all items share. A batch of many conversations has none; the log line of each event has its own. */
const sharedContext = (items: readonly Received[]): WorkContext => {
  const [first, ...others] = items.map(({ context }) => context ?? {});
  if (first === undefined || others.length === 0) return first ?? {};
  const shared = Object.entries(first).filter(([name, value]) => others.every((other) => other[name as keyof WorkContext] === value));
  return Object.fromEntries(shared);
};

// An event without a trace starts none, unlike a request.
const childOf = (traceparent: string | undefined): string | undefined =>
  parseTraceparent(traceparent) === undefined ? undefined : childTraceparent(traceparent);
