import type { ParleyEvent } from '#lib/contracts/events';
import type { WorkContext } from '#lib/runtime/log/context';
import type { Delivery } from '../source/delivery.js';
import type { PoisonDetector } from './poison-detector.js';
import type { Tracked } from './redelivery-tracker.js';

/** A decoded delivery on its way from the buffer to its settlement. */
export interface Received extends Tracked {
  delivery: Delivery;
  readonly event: ParleyEvent;
  /** Milliseconds of `performance.now()`. */
  readonly receivedAt: number;
  /** Whether a run was given up at least once because a dependency was out. */
  wasHeld: boolean;
  readonly poison: PoisonDetector;
  /** Its ids, and the trace context of its last run; absent before the first. */
  context?: WorkContext;
}
