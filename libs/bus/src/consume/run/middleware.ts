import { deduplicate } from './deduplicate.js';
import { emit, type EmitSettings } from './emit.js';
import { registerWork } from './register-work.js';
import type { InboxPort } from './inbox.port.js';
import { measure } from './measure.js';
import { type BatchHandler, type Layer, type Run, stack } from './layer.js';
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
 * Everything that happens around a handler, outermost first. What comes before (decode, gather) and after (settle, pause) handles single
 * deliveries and lives in `consumer.ts`:
 *
 *     tap -> decode -> gather -> [ this stack, once per batch or part of a batch ] -> decide -> settle
 */
export const middleware = ({ queue, deadlineMs, isOutage, inbox, handler, ...emitting }: StackSettings): Run => {
  const layers: Layer[] = [
    // First, so that whatever is logged or called below carries the ids of what is being handled.
    trace,
    // Outside all that takes time, so that the number is what the queue feels.
    measure(queue, isOutage),
    // Around `emit`, so that nothing is noted as handled whose consequences could still be lost.
    ...(inbox === undefined ? [] : [deduplicate(inbox, queue)]),
    // Outside the deadline: the handler is done and must not be called a failure because the broker is slow to take what follows.
    emit(emitting),
    // Around the handler alone, so that it limits that and nothing else.
    withinDeadline(deadlineMs),
    // Inside the deadline, so that a handler that outlives it is still seen.
    registerWork(queue, deadlineMs),
  ];
  return stack(layers, async (items) => (await handler(items.map(({ event }) => event))) ?? []);
};
