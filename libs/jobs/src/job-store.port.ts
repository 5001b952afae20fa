import type { UserId } from '#lib/contracts/ids';
import type { JobKind, JobStatus } from '#lib/contracts/jobs';

/** A job as it is stored. */
export interface Job {
  readonly id: string;
  readonly kind: JobKind;
  readonly status: JobStatus;
  /** Who may see it, besides `service` and `admin`. */
  readonly ownerId: UserId;
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly error: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Keeps what long work is asked for and what came of it. Throws DependencyError when it cannot. */
export abstract class JobStorePort {
  /** The job, or undefined when there is none. */
  abstract find(id: string): Promise<Job | undefined>;
  /** It runs: from `queued`, or again after its process died. Nothing happens to one that has ended, and false comes back. */
  abstract start(id: string): Promise<boolean>;
  /** What came out so far; keys that are not in `result` keep their value. */
  abstract progress(id: string, result: Readonly<Record<string, unknown>>): Promise<void>;
  /** It ended well. Ending twice is fine; the first time counts. */
  abstract finish(id: string, result: Readonly<Record<string, unknown>>): Promise<void>;
  /** It ended badly. `error` is a sentence for its owner: no driver text. */
  abstract fail(id: string, error: string): Promise<void>;
  /** Removes jobs that ended before this time, at most 10,000 at once; returns how many. */
  abstract removeEndedBefore(time: Date): Promise<number>;
}
