/** Remembers which events a consumer has handled, so that an event that is delivered twice has its effect once. */
export abstract class InboxPort {
  /**
   * Those of `eventIds` that `consumer` (the name of its queue) has not handled yet.
   * @throws DependencyError when the inbox cannot answer; the events are then held, which is not an attempt.
   */
  abstract unseen(consumer: string, eventIds: readonly string[]): Promise<Set<string>>;
  /** Notes that `consumer` has handled them. Noting one twice is fine. @throws DependencyError when it cannot be noted. */
  abstract remember(consumer: string, eventIds: readonly string[]): Promise<void>;
  /**
   * Forgets what is older than `olderThanMs`, which must be longer than an event can come back: all retries, and the time within which a dead
   * letter may still be replayed. @returns how many entries went. @throws DependencyError.
   */
  abstract prune(olderThanMs: number): Promise<number>;
}
