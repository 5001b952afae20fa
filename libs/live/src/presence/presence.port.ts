import type { UserId } from '#lib/contracts/ids';

/** A user whose last session ended counts as online for this long: most come back with another socket. */
export const ABSENT_MS = 1_000;

/** Whether a user has a socket open on any process, and when the last one was closed (null: not known). */
export interface Presence {
  readonly online: boolean;
  readonly lastSeenAt: Date | null;
}

/** A user came online or went offline. */
export interface PresenceChange {
  readonly userId: UserId;
  readonly online: boolean;
}

/** Who is online. A process holds a lease on its users: when it dies, they are offline within 15 s. */
export abstract class PresencePort {
  /**
   * A session of this process begins. @returns how many sessions the user has now on all processes, this one included; not those of a process that
   * has been silent for 2.5 s, and only those of this one while Redis is away. Never rejects; takes 250 ms at most.
   */
  abstract enter(userId: UserId, sessionId: string): Promise<number>;

  /** A session of this process ends. Settles nothing that its caller has to wait for; never rejects. */
  abstract leave(userId: UserId, sessionId: string): Promise<void>;

  /** One entry for each of `userIds`. @throws DependencyError. */
  abstract of(userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, Presence>>;

  /** Forgets when the user was last seen. Open sessions count on. @returns whether it was known. @throws DependencyError. */
  abstract forget(userId: UserId): Promise<boolean>;

  /**
   * The one listener that announces changes. Each change is heard by one process only, of those that are connected to the same Redis; a user that
   * comes back within a second has not changed.
   */
  abstract onChange(listener: (changes: readonly PresenceChange[]) => void): void;
}
