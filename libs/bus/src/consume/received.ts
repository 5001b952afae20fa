import type { ParleyEvent } from '#lib/contracts/events';
import type { Delivery } from './delivery.js';
import type { PoisonDetector } from './settle/poison-detector.js';
import type { Held } from './buffer/redelivery-tracker.js';

/** A delivery whose event is decoded, on its way through the stack. */
export interface Received extends Held {
  delivery: Delivery;
  readonly event: ParleyEvent;
  /** Milliseconds of `performance.now()`. */
  readonly receivedAt: number;
  /** Whether it was tried and given back at least once because something was out. */
  wasHeld: boolean;
  readonly suspicion: PoisonDetector;
}

/** A handler as the bus sees it: events of one queue in, the events that follow out. It may be called again with the same events. */
export type BatchHandler = (events: readonly ParleyEvent[]) => Promise<readonly ParleyEvent[] | undefined | void>;

/** One run over a batch or a part of one: returns the events that follow, or throws. */
export type Run = (items: readonly Received[]) => Promise<readonly ParleyEvent[]>;

/** A layer of the stack: the same run with something around it. */
export type Layer = (next: Run) => Run;

/** Puts layers around a run; the first one is the outermost. */
export const stack = (layers: readonly Layer[], innermost: Run): Run => layers.reduceRight((run, layer) => layer(run), innermost);
