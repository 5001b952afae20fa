import { DependencyError } from '#lib/resilience/call/errors';

/** One user has had its share of the LLM budget. The model works, and others have budget left. */
export class CallerOverShare extends DependencyError {
  /** @param waitMs until the user's share has room again. */
  constructor(waitMs: number) {
    super('llm', 'share', 'overloaded', { retryAfterMs: waitMs });
    this.name = 'CallerOverShare';
  }
}
