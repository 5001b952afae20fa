/** One night's turn. */
export interface Turn {
  /** Its day in the time zone of the schedule, `YYYY-MM-DD`. */
  readonly date: string;
  readonly at: Date;
}

/** When nights begin. */
export abstract class NightlySchedulePort {
  /** The last turn at or before `now`. Each day has one, also those on which the clock is changed. */
  abstract latest(now: Date): Turn | undefined;
}
