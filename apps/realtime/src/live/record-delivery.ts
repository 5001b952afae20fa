import { childTraceparent, parseTraceparent } from '#lib/runtime/log/traceparent';
import { isTracing, recordSpan, type SpanAttributes } from '#lib/runtime/trace/span';

/** What went to the sockets of this process at once. */
interface Delivered {
  /** `performance.now()`. */
  readonly startedAt: number;
  readonly sockets: number;
  readonly attributes?: SpanAttributes;
}

/** The last span of a message: one for all sockets of this process, below the delivery that its signal names. */
export const recordDelivery = (type: string, trace: string, { startedAt, sockets, attributes }: Delivered): void => {
  if (!isTracing() || parseTraceparent(trace) === undefined) return;
  recordSpan({
    name: 'write to sockets',
    kind: 'internal',
    traceparent: childTraceparent(trace),
    parent: trace,
    startedAt,
    attributes: { 'network.protocol.name': 'websocket', 'app.frame': type, 'app.sockets': sockets, ...attributes },
    failure: undefined,
  });
};
