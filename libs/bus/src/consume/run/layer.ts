import type { ParleyEvent } from '#lib/contracts/events';
import type { Received } from '../buffer/received.js';

/** A handler as the bus calls it: events of one queue in, the events that follow out. It may be called again with the same events. */
export type BatchHandler = (events: readonly ParleyEvent[]) => Promise<readonly ParleyEvent[] | undefined | void>;

/** One run over a batch or a part of one: returns the events that follow, or throws. */
export type Run = (items: readonly Received[]) => Promise<readonly ParleyEvent[]>;

/** One layer of consume middleware: the same run with something around it. */
export type Layer = (next: Run) => Run;

/** Puts layers around a run; the first one is the outermost. */
export const stack = (layers: readonly Layer[], innermost: Run): Run => layers.reduceRight((run, layer) => layer(run), innermost);
