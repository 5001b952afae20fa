/**
 * The four outcomes of a handler: return = done; Reject = to the dead-letter queue now; Postpone = later, without an attempt;
 * any other error = retried by the row's policy. SomeFailed gives each event of a batch its own.
 */

/** This event can never be handled (bad shape, impossible state): dead-letter it now, with this reason. */
export class Reject extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'Reject';
  }
}

/** Not now: try again after about `delayMs` (rounded up to a tier of the retry ladder) without counting an attempt. */
export class Postpone extends Error {
  constructor(
    readonly delayMs: number,
    reason = 'postponed',
  ) {
    super(reason);
    this.name = 'Postpone';
  }
}

/**
 * An event that only a newer version of this code knows: in a rolling upgrade both consume one queue. Postponed through the longest retry
 * tier, up to a limit.
 */
export class NotKnownYet extends Postpone {
  constructor(reason: string) {
    super(Number.POSITIVE_INFINITY, reason);
    this.name = 'NotKnownYet';
  }
}

/**
 * Some events of a batch failed, each with an error of its own; the others are done and are not handled again. For handlers whose effect cannot
 * be repeated and that return no events: any other error runs the batch again in parts, to find the event that failed.
 */
export class SomeFailed extends Error {
  /** @param errors by `eventId`; each is judged as if its event had been handled alone. */
  constructor(readonly errors: ReadonlyMap<string, unknown>) {
    super(`${errors.size} events of the batch failed`);
    this.name = 'SomeFailed';
  }
}

/** The process stops before the run ended: nothing is settled, the broker delivers the event to another process. */
export class Interrupted extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'Interrupted';
  }
}

/** Redelivered too often after consumer crashes: treated as poison. */
export class CrashLoop extends Error {
  constructor(readonly returnCount: number) {
    super(`came back ${returnCount} times from processes that died or lost their connection`);
    this.name = 'CrashLoop';
  }
}
