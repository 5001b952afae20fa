/** Stores the ids of handled events, so that an event delivered twice has its effect once. */
export abstract class InboxPort {
  /**
   * The `eventIds` that `consumer` (the name of its queue) has not handled yet.
   * @throws DependencyError when the inbox fails; the events are then held, without an attempt.
   */
  abstract unseen(consumer: string, eventIds: readonly string[]): Promise<Set<string>>;
  /** Stores the ids that `consumer` has handled; idempotent. @throws DependencyError when the inbox fails. */
  abstract remember(consumer: string, eventIds: readonly string[]): Promise<void>;
  /**
   * Forgets what is older than `olderThanMs`, which must be longer than an event can come back: all retries, and the time within which a dead
   * letter may still be replayed. @returns how many entries went. @throws DependencyError.
   */
  abstract prune(olderThanMs: number): Promise<number>;
}
