import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import type { ParleyEvent } from '#lib/contracts/events';
import type { UserId } from '#lib/contracts/ids';
import type { JobKind, JobStatus } from '#lib/contracts/jobs';

/** A job as it is stored. */
export interface Job {
  readonly id: string;
  readonly kind: JobKind;
  readonly status: JobStatus;
  /** Who may see it, besides `service` and `admin`. */
  readonly ownerId: UserId;
  /** What it is about; null when that was not said, and when it has ended. */
  readonly subject: string | null;
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly error: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** A job that is asked for. */
export interface JobDraft {
  /** UUIDv7, which its event names too. */
  readonly id: string;
  readonly kind: JobKind;
  readonly ownerId: UserId;
  /** What it is about: of one kind and subject only one is open at a time. Forgotten when it ends. */
  readonly subject?: string | undefined;
}

/** Verdict of {@link JobStorePort.enqueue}. */
export interface EnqueuedJob {
  /** The job of the draft, or the open one of the same kind and subject. */
  readonly job: Job;
  /** False: it was there before, and no event was written. */
  readonly isNew: boolean;
}

/** Keeps what long work is asked for and what came of it. Throws DependencyError when it cannot. */
export abstract class JobStorePort {
  /** Stores a queued job in one commit with the outbox row of the event that starts it, unless one of its kind and subject is open. */
  abstract enqueue(draft: JobDraft, event: ParleyEvent, headers?: EventHeaders): Promise<EnqueuedJob>;
  /** The job, or undefined when there is none. */
  abstract find(id: string): Promise<Job | undefined>;
  /** It runs: from `queued`, or again after its process died. Nothing happens to one that has ended or is not there, and false comes back. */
  abstract start(id: string): Promise<boolean>;
  /** What came out so far; keys that are not in `result` keep their value. Nothing happens to one that has ended. */
  abstract progress(id: string, result: Readonly<Record<string, unknown>>): Promise<void>;
  /** It ended well. Keys that are not in `result` keep their value. Ending twice is fine; the first time counts. */
  abstract finish(id: string, result: Readonly<Record<string, unknown>>): Promise<void>;
  /** It ended badly. `error` is a sentence for its owner: no driver text. */
  abstract fail(id: string, error: string): Promise<void>;
  /** Removes jobs that ended before this time, at most 10,000 at once; returns how many. */
  abstract removeEndedBefore(time: Date): Promise<number>;
  /** Fails open jobs of a kind that nothing was said of since this time, at most 10,000 at once; returns how many. `error` as of {@link fail}. */
  abstract failUntouchedSince(time: Date, kind: JobKind, error: string): Promise<number>;
}

/** Most jobs that one call ends or removes: the statement takes milliseconds. */
export const MOST_AT_ONCE = 10_000;
