import { DependencyError } from '#lib/resilience/call/errors';

// Twice can be bad luck in a dependency that comes and goes.
const TIMES_TO_PROVE = 3;

/**
 * Whether the outages that an event meets are its own doing: an outage that only ever meets one event, while others of its queue go through
 * in between, is none. Without this an event that makes its dependency time out would be held for ever, and hold up others.
 */
export class PoisonDetector {
  private times = 0;
  private passedAtLastOutage: number | undefined;

  get isProven(): boolean {
    return this.times >= TIMES_TO_PROVE;
  }

  /** The event met an outage when `passedCount` events of its queue had gone through. A call that was not made proves nothing. */
  metOutage(error: unknown, passedCount: number): void {
    if (!(error instanceof DependencyError) || !error.wasTried) return;
    if (this.passedAtLastOutage !== undefined && passedCount > this.passedAtLastOutage) this.times += 1;
    this.passedAtLastOutage = passedCount;
  }
}
