import type { ScoreRecalculate } from '#lib/contracts/events';
import type { UserId } from '#lib/contracts/ids';

/** One night's run: every active user is scored again once. `date` is the day of its schedule in the schedule's time zone, `YYYY-MM-DD`. */
export interface NightlyRun {
  readonly date: string;
  readonly startedAt: Date;
  /** A user whose last end is older, and of whom nothing is unscored or edited since, is not active. */
  readonly activeSince: Date;
  /** Ends that a model will have to read; undefined until they are counted. */
  readonly expectedEnds: number | undefined;
  /** The last user that was looked at; empty at the start. */
  readonly cursor: UserId;
  readonly enqueuedUsers: number;
}

/** A user with ends of conversations. */
export interface RescorableUser {
  readonly userId: UserId;
  /** Whether scoring again may change something. */
  readonly isActive: boolean;
  /**
   * Ends that have no score under this scoring version, or whose messages were edited since, within seven days of the end. Counted up to 1,000,
   * of the newest 5,000.
   */
  readonly dueEnds: number;
}

/** What one page of a run wrote. */
export interface EnqueuedPage {
  readonly events: readonly ScoreRecalculate[];
  /** It was the last one. */
  readonly isFinished: boolean;
}

/** Who is to be scored again, and how far a night's run is. All throw DependencyError. */
export abstract class RescoresPort {
  /** The time of the store, which is the one of all processes. */
  abstract now(): Promise<Date>;
  /** The run that is under way, of whatever night. */
  abstract underWay(): Promise<NightlyRun | undefined>;
  /** When the last run had enqueued every active user; undefined = none has. */
  abstract lastFinishedAt(): Promise<Date | undefined>;
  /** Begins the run of `date`. Nothing happens when there is one, finished or not, or when another one is under way. */
  abstract begin(date: string): Promise<void>;
  /** Notes how many ends a run will have to score. @returns whether this call was the first to say so. */
  abstract expect(date: string, ends: number): Promise<boolean>;
  /** Users with ends after `after`, in the order of their ids, at most `limit`; of an operator's run without `activeSince` everyone is active. */
  abstract users(after: UserId, limit: number, activeSince: Date | undefined): Promise<RescorableUser[]>;
  /** One user, or undefined when it has ended no conversation. */
  abstract user(userId: UserId): Promise<RescorableUser | undefined>;
  /**
   * Takes the next `limit` users of a run: an event for each active one and the new cursor, in one commit. A process that dies has written a page
   * as a whole or not at all. Undefined when another process is at it, or when the run has ended.
   */
  abstract enqueueNext(date: string, limit: number): Promise<EnqueuedPage | undefined>;
  /** Writes an event of an operator for each user. */
  abstract enqueue(userIds: readonly UserId[]): Promise<ScoreRecalculate[]>;
}

/** Runs that are kept to look at. */
export const NIGHTS_KEPT = 90;
