import type { UserId } from '#lib/contracts/ids';
import type { AppliedChange, EndScore, FriendshipStatus } from './friendship.js';

/**
 * When a score of an end is applied: `unscored`, unless the end has one under this scoring version; `changed`, unless its newest one under this
 * scoring version is of the same transcript.
 */
export type ApplyWhen = 'unscored' | 'changed';

/** What came of a score: the change that it made, or the one that was there. */
export interface ApplyOutcome {
  readonly change: AppliedChange;
  readonly isNew: boolean;
}

/** A status that is not the sum of its parts. */
export interface Disagreement {
  readonly userId: UserId;
  readonly score: number;
  readonly topics: number;
  readonly history: number;
}

/** Statuses that were compared, in the order of their users. */
export interface Comparison {
  readonly checked: number;
  /** The last user that was compared; undefined: all are. */
  readonly lastUserId: UserId | undefined;
  readonly disagreements: readonly Disagreement[];
}

/**
 * Scores of users and their history. A change writes status, topics and history at once or nothing, and each exactly once however often and by
 * however many workers it is asked for. All throw DependencyError.
 */
export abstract class FriendshipStorePort {
  /** The status of a user, that of a new one when nothing is stored. Stores nothing and waits for no lock. */
  abstract find(userId: UserId): Promise<FriendshipStatus>;
  /** Changes of a user, newest first, at most `limit`. @param before version of the status from which on they are left out. */
  abstract history(userId: UserId, page: { readonly before: number | undefined; readonly limit: number }): Promise<AppliedChange[]>;
  /** The newest change of an end under a scoring version. */
  abstract lastChange(endId: string, scoringVersion: number): Promise<AppliedChange | undefined>;
  /** Those of these ends that have no change under a scoring version. */
  abstract unscored(endIds: readonly string[], scoringVersion: number): Promise<ReadonlySet<string>>;
  /**
   * @returns undefined when the end is gone: its user is erased, and nothing comes back.
   * @throws DependencyError (`overloaded`) when other changes of the same user were faster {@link APPLY_TRIES} times.
   */
  abstract apply(score: EndScore, when: ApplyWhen): Promise<ApplyOutcome | undefined>;
  /** Names an end without a score under this scoring version as degraded. @returns the status, changed or not; undefined when the end is gone. */
  abstract markDegraded(end: Pick<EndScore, 'endId' | 'userId' | 'scoringVersion'>): Promise<FriendshipStatus | undefined>;
  /** Compares the next statuses with their topics and their history, each in one snapshot. @param after user at which the last call stopped. */
  abstract compare(after: UserId | undefined, limit: number): Promise<Comparison>;
}

/** Each lost race is a commit of another worker of the same user; two processes have eight workers. */
export const APPLY_TRIES = 10;
