import type { DependencyName } from '#lib/contracts/dependencies';
import { RETRY_DELAYS_MS } from '#lib/contracts/pipeline';
import { DependencyError } from '#lib/resilience/call/errors';
import { CrashLoop, Interrupted, Postpone, Reject } from '../../outcome.js';
import { retryDelayMs } from '../../topology.js';

/** What becomes of a delivery whose handler did not return. */
export type Decision =
  /** Try again after the delay of a tier; this try is used up. */
  | { readonly kind: 'retry'; readonly tier: number }
  /** Try again after the delay of a tier; nothing is used up. */
  | { readonly kind: 'postpone'; readonly tier: number }
  /** It will not get better by itself: to the dead-letter queue. */
  | { readonly kind: 'dead-letter' }
  /** Not its fault: keep it and try again when what it needs is back. Nothing is used up. */
  | { readonly kind: 'hold'; readonly retryAfterMs: number };

/** What a decision depends on beside the error. */
export interface DeliveryHistory {
  readonly queue: string;
  /** Which try just failed, 1 = the first. */
  readonly attempt: number;
  readonly attempts: number;
  readonly pausesWith: readonly DependencyName[];
  /** Whether this delivery was held again and again while others of its queue went through: then it is no outage, it is the delivery. */
  readonly isPoison: boolean;
  readonly retryDelaysMs?: readonly number[];
}

/** About ten minutes in the longest tier: longer than a rolling upgrade has old and new consumers on one queue. */
export const MAX_UNKNOWN = 75;

/** Decides by the error alone what happens to one delivery. Messaging rules 4 to 6 (docs/concepts/messaging.md), in this order. */
export const decide = (error: unknown, history: DeliveryHistory): Decision => {
  if (error instanceof Reject || error instanceof CrashLoop) return { kind: 'dead-letter' };
  if (error instanceof Postpone) return { kind: 'postpone', tier: tierFor(error.delayMs, history) };
  const outage = outageOf(error, history.pausesWith);
  if (outage !== undefined && !history.isPoison) return { kind: 'hold', retryAfterMs: outage.retryAfterMs };
  if (history.attempt >= history.attempts) return { kind: 'dead-letter' };
  const tierCount = (history.retryDelaysMs ?? RETRY_DELAYS_MS).length;
  return { kind: 'retry', tier: Math.min(history.attempt, tierCount) };
};

/**
 * Whether an error says that a dependency is out rather than that the event is bad. Calls that were not even tried (open breaker, our own
 * limit) always do. A failed call does when its dependency is one that pauses the queue; the broker itself pauses every queue.
 */
export const outageOf = (error: unknown, pausesWith: readonly DependencyName[]): { readonly retryAfterMs: number } | undefined => {
  if (error instanceof DependencyError) {
    const isOurs = error.dependency === 'rabbitmq' || pausesWith.includes(error.dependency);
    return isOurs || !error.wasTried ? { retryAfterMs: error.retryAfterMs } : undefined;
  }
  if (error instanceof Interrupted) return { retryAfterMs: 0 };
  // An opossum breaker that somebody used without our wrapper.
  if (error instanceof Error && 'code' in error && error.code === 'EOPENBREAKER') return { retryAfterMs: 1_000 };
  return undefined;
};

/** The first tier that waits at least `delayMs`, or the last one: whoever wants to wait longer postpones again when it comes back. */
const tierFor = (delayMs: number, { queue, retryDelaysMs = RETRY_DELAYS_MS }: DeliveryHistory): number => {
  const index = retryDelaysMs.findIndex((_, tier) => retryDelayMs(queue, tier + 1, retryDelaysMs) >= delayMs);
  return index === -1 ? retryDelaysMs.length : index + 1;
};
