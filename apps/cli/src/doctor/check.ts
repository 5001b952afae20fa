/** What a check found, and what to do about it. */
export interface Finding {
  readonly level: 'ok' | 'warn' | 'fail';
  readonly says: string;
  readonly toDo?: string;
}

/** One thing to look at; a check that throws has failed with what it threw. */
export interface Check {
  readonly name: string;
  readonly run: () => Promise<Finding> | Finding;
}
