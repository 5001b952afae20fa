import type { ConsistencyReport, ConsistencyRun, ConsistencyRunKind, ConsistencyStatus } from '#lib/contracts/admin';

/** A run in the hands of one worker. `start` tells its claim from those before and after: only the newest one changes the run. */
export interface ClaimedRun extends ConsistencyRun {
  readonly start: number;
}

/** What names a claim. */
export type RunClaim = Pick<ClaimedRun, 'id' | 'start'>;

/**
 * Where comparisons of ledger and vector store are asked for and their reports are left: operators and `ops` are different processes and
 * need not be up at the same time.
 *
 *     waiting --claim--> running --finish, fail--> done
 *                          `--lease over (its process died)--> waiting, at most three times; then done, with a failure
 *
 * At most one runs at a time, over all processes. All calls throw DependencyError when the store cannot be reached.
 */
export abstract class ConsistencyRunsPort {
  /** Asks for a run. One of the same kind that waits already is joined instead, unless the schedule asked for it: it does less. */
  abstract request(kind: ConsistencyRunKind, by: string): Promise<ConsistencyRun>;
  /** Asks for a repair in the name of the {@link SCHEDULE}, unless one waits or runs, or the last run ended less than `everyMs` ago. */
  abstract requestWhenDue(everyMs: number): Promise<void>;
  /** Takes the oldest run that waits, for `leaseMs`; undefined when there is none or another one runs. */
  abstract claim(leaseMs: number): Promise<ClaimedRun | undefined>;
  /** Shows how far a run is and renews its lease. @returns false when the lease is over, or another worker has claimed it by now: stop. */
  abstract progress(claim: RunClaim, report: ConsistencyReport, leaseMs: number): Promise<boolean>;
  /** @returns false, and changes nothing, when another worker has claimed it by now or it has ended. */
  abstract finish(claim: RunClaim, report: ConsistencyReport): Promise<boolean>;
  /** Ends a run without a report; changes nothing when another worker has claimed it by now or it has ended. */
  abstract fail(claim: RunClaim, reason: string): Promise<void>;
  abstract find(id: string): Promise<ConsistencyRun | undefined>;
  abstract status(): Promise<ConsistencyStatus>;
}

/** Who asks for the runs that no operator asks for. Not a user: it names a repair with bounds. */
export const SCHEDULE = 'schedule';

/** Times a run is begun before it is given up: more often it is the run that kills its process. */
export const MAX_STARTS = 3;

/** Finished runs that are kept. */
export const RUNS_KEPT = 200;
