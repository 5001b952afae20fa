// SIGNATURES BY THE LEAD. The resilience helper implements; keep names and meaning.
import type { DependencyName } from '#lib/contracts/dependencies';

/** How one class of operations on one dependency is called. Numbers: docs/resilience.md. */
export interface CallPolicy {
  readonly dependency: DependencyName;
  /** Operation class, e.g. `query`, `upsert`, `send`: one breaker each, label of the metrics. */
  readonly operation: string;
  /** Limit of one attempt in milliseconds; the call gets an AbortSignal that fires then. */
  readonly timeoutMs: number;
  /** Attempts in all, the first included. 1 = no retry. Only idempotent operations may have more. */
  readonly attempts?: number;
  /** Backoff before attempt n+1: full jitter over min(capMs, baseMs * 2^(n-1)). */
  readonly backoff?: { readonly baseMs: number; readonly capMs: number };
  /** Calls in flight at once and calls that may wait for a place; beyond that `overloaded`. */
  readonly bulkhead?: { readonly concurrent: number; readonly queued: number };
  /** Time an open breaker waits before its trial call, in milliseconds. Default 10,000. */
  readonly resetMs?: number;
  /** A success slower than this counts as a failure for the breaker (opossum has no slow-call rate). */
  readonly slowMs?: number;
  /**
   * Whether an error is the dependency's fault. An error that proves that it answered (bad request, not found, constraint)
   * is not: it is rethrown as it is and counts as a success for the breaker. Default: every error is its fault.
   */
  readonly isItsFault?: (error: unknown) => boolean;
}

/** closed = calls pass; open = calls are refused at once; half-open = one trial call at a time decides. */
export type BreakerState = 'closed' | 'half-open' | 'open';
