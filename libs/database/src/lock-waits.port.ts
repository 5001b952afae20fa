/** A process of Parley whose statement waits for a lock, and the processes that hold it. */
export interface LockWait {
  /** Server process that waits. */
  readonly pid: number;
  /** `parley-<app>@<host>#<pid>` (R062). */
  readonly application: string;
  readonly waitingSeconds: number;
  /** What kind of lock: `transactionid` is a row that another transaction has changed. */
  readonly lock: string | null;
  readonly blockedBy: readonly {
    readonly pid: number;
    readonly application: string;
    /** `active`, `idle in transaction`, ... */
    readonly state: string | null;
    /** Age of its transaction; null when it has none. */
    readonly transactionSeconds: number | null;
  }[];
}

/** Tells operators which process waits for which in the database. */
export abstract class LockWaitsPort {
  /** The longest wait first; statements and values are never shown. @throws DependencyError when the database cannot answer. */
  abstract read(): Promise<LockWait[]>;
}
