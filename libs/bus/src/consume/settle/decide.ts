import type { DependencyName } from '#lib/contracts/dependencies';
import { RETRY_DELAYS_MS } from '#lib/contracts/pipeline';
import { DependencyError } from '#lib/resilience/call/errors';
import { CrashLoop, Interrupted, Postpone, Reject } from '../../outcome.js';
import { retryDelayMs } from '../../topology.js';

/** How to settle a delivery whose handler threw. */
export type Decision =
  /** Try again after the delay of a tier; uses up an attempt. */
  | { readonly kind: 'retry'; readonly tier: number }
  /** Try again after the delay of a tier; uses up no attempt. */
  | { readonly kind: 'postpone'; readonly tier: number }
  /** Retrying will not help: to the dead-letter queue. */
  | { readonly kind: 'dead-letter' }
  /** A dependency is out: keep the delivery and try again when it is back. Uses up no attempt. */
  | { readonly kind: 'hold'; readonly retryAfterMs: number };

/** The facts beside the error that decide. */
export interface DeliveryHistory {
  readonly queue: string;
  /** The attempt that failed, 1 = the first. */
  readonly attempt: number;
  readonly attempts: number;
  readonly pausesWith: readonly DependencyName[];
  /** Whether its outages are proven to be its own: a poison message is not held (PoisonDetector). */
  readonly isPoison: boolean;
  readonly retryDelaysMs?: readonly number[];
}

/** About ten minutes in the longest tier: longer than a rolling upgrade keeps old and new consumers on one queue. */
export const MAX_UNKNOWN = 75;

/** Decides by the error how to settle one delivery. Messaging rules 4 to 6 (docs/concepts/messaging.md), in this order. */
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
 * The outage behind an error, undefined when the event itself failed. A call that was not tried (open breaker, own limit) is always one; a
 * failed call is one when its dependency pauses the queue; the broker pauses every queue.
 */
export const outageOf = (error: unknown, pausesWith: readonly DependencyName[]): { readonly retryAfterMs: number } | undefined => {
  if (error instanceof DependencyError) {
    const isOurs = error.dependency === 'rabbitmq' || pausesWith.includes(error.dependency);
    return isOurs || !error.wasTried ? { retryAfterMs: error.retryAfterMs } : undefined;
  }
  if (error instanceof Interrupted) return { retryAfterMs: 0 };
  // An opossum breaker used without DependencyCall.
  if (error instanceof Error && 'code' in error && error.code === 'EOPENBREAKER') return { retryAfterMs: 1_000 };
  return undefined;
};

/** The first tier that waits at least `delayMs`, or the last: for a longer wait the handler postpones again. */
const tierFor = (delayMs: number, { queue, retryDelaysMs = RETRY_DELAYS_MS }: DeliveryHistory): number => {
  const index = retryDelaysMs.findIndex((_, tier) => retryDelayMs(queue, tier + 1, retryDelaysMs) >= delayMs);
  return index === -1 ? retryDelaysMs.length : index + 1;
};
