import type { ConsistencyReport, ConsistencyRun, ConsistencyRunKind, ConsistencyStatus } from '#lib/contracts/admin';

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
  abstract claim(leaseMs: number): Promise<ConsistencyRun | undefined>;
  /** Shows how far a run is and renews its lease. @returns false when another worker has claimed it by now: stop. */
  abstract progress(id: string, report: ConsistencyReport, leaseMs: number): Promise<boolean>;
  abstract finish(id: string, report: ConsistencyReport): Promise<void>;
  abstract fail(id: string, reason: string): Promise<void>;
  abstract find(id: string): Promise<ConsistencyRun | undefined>;
  abstract status(): Promise<ConsistencyStatus>;
}

/** Who asks for the runs that no operator asks for. Not a user: it names a repair with bounds. */
export const SCHEDULE = 'schedule';

/** Times a run is begun before it is given up: more often it is the run that kills its process. */
export const MAX_STARTS = 3;

/** Finished runs that are kept. */
export const RUNS_KEPT = 200;
