import { type Backoff, fullJitter } from '#lib/runtime/work/backoff';
import { DependencyError } from './errors.js';

/** Hard limit of attempts on one call, whatever a policy asks for (law 8). */
export const MAX_ATTEMPTS = 3;

const DEFAULT_BACKOFF: Backoff = { baseMs: 100, capMs: 2_000 };

/**
 * Keeps retries to a tenth of the calls to a dependency, so that they cannot turn its bad moment into an outage.
 * A token bucket: each call puts in a tenth of a token, each retry takes one; it never holds more than `burst`,
 * which is what a quiet process may spend on its first few failures.
 */
export class RetryBudget {
  private tokens: number;

  constructor(
    private readonly perCall = 0.1,
    private readonly burst = 10,
  ) {
    this.tokens = burst;
  }

  countCall(): void {
    this.tokens = Math.min(this.burst, this.tokens + this.perCall);
  }

  /** Takes one retry out of the budget, if there is one. */
  takeRetry(): boolean {
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}

/**
 * How long to wait before the next attempt, or undefined when there must be none: the dependency answered, the call was not even
 * tried (breaker open, no permit), attempts, budget or time are used up, or the dependency asks for more patience than the policy has.
 * The budget is charged when a number is returned.
 */
export const waitBeforeRetry = (failed: {
  readonly error: unknown;
  /** Attempts made so far, at least 1. */
  readonly attempt: number;
  readonly attempts: number;
  readonly backoff: Backoff | undefined;
  readonly budget: RetryBudget;
  readonly remainingMs: number;
}): number | undefined => {
  const { error, attempt, attempts, backoff = DEFAULT_BACKOFF, budget, remainingMs } = failed;
  if (!(error instanceof DependencyError) || !error.wasTried) return undefined;
  if (attempt >= Math.min(attempts, MAX_ATTEMPTS)) return undefined;
  const waitMs = Math.max(fullJitter(attempt, backoff), error.toldToWaitMs ?? 0);
  if (waitMs > backoff.capMs || waitMs >= remainingMs) return undefined;
  return budget.takeRetry() ? waitMs : undefined;
};
