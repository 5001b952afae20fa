import { deduplicate } from './deduplicate.js';
import { emit, type EmitSettings } from './emit.js';
import type { InboxPort } from './inbox.port.js';
import { type BatchHandler, type Layer, type Run, stack } from './layer.js';
import { measure } from './measure.js';
import { registerWork } from './register-work.js';
import { trace } from './trace.js';
import { withinDeadline } from './within-deadline.js';

/** What the stack of a queue is built from. */
export interface StackSettings extends EmitSettings {
  readonly queue: string;
  readonly deadlineMs: number;
  readonly isOutage: (error: unknown) => boolean;
  /** Present when the row asks for deduplication. */
  readonly inbox: InboxPort | undefined;
  readonly handler: BatchHandler;
}

/**
 * The middleware around a handler, outermost layer first. The steps before (decode, buffer) and after (decide, settle) work on single
 * deliveries and stand in `consumer.ts`:
 *
 *     source -> decode -> buffer -> [ this stack, once per batch or part of a batch ] -> decide -> settle
 */
export const middleware = ({ queue, deadlineMs, isOutage, inbox, handler, ...emitting }: StackSettings): Run => {
  const layers: Layer[] = [
    // First: every log line and call below carries the ids of the events.
    trace(queue),
    // Outside every layer that takes time: measures what the queue waits for.
    measure(queue, isOutage),
    // Outside `emit`: an event counts as handled only when the events that follow from it are published.
    ...(inbox === undefined ? [] : [deduplicate(inbox, queue)]),
    // Outside the deadline: a slow broker must not fail a handler that is done.
    emit(emitting),
    // Around the handler alone: limits nothing else.
    withinDeadline(deadlineMs),
    // Inside the deadline: a handler that outlives it stays visible.
    registerWork(queue, deadlineMs),
  ];
  return stack(layers, async (items) => (await handler(items.map(({ event }) => event))) ?? []);
};
