import { DependencyError } from '#lib/resilience/call/errors';

// Two may be bad luck with an unstable dependency.
const FAILURES_TO_PROVE = 3;

/**
 * Detects poison that looks like an outage: three dependency failures of one event while others of its queue succeed in between. Without it,
 * an event that makes its dependency time out would be held for ever and block others.
 */
export class PoisonDetector {
  private failureCount = 0;
  private passedAtLastOutage: number | undefined;

  get isProven(): boolean {
    return this.failureCount >= FAILURES_TO_PROVE;
  }

  /** Notes an outage at the moment when `passedCount` events of the queue had succeeded. A call that was not tried proves nothing. */
  metOutage(error: unknown, passedCount: number): void {
    if (!(error instanceof DependencyError) || !error.wasTried) return;
    if (this.passedAtLastOutage !== undefined && passedCount > this.passedAtLastOutage) this.failureCount += 1;
    this.passedAtLastOutage = passedCount;
  }
}
