/**
 * The four outcomes of a handler: it returns = done; throws Reject = to the dead-letter queue now; throws Postpone = later,
 * not an attempt; throws anything else = retried by the row's policy.
 */

/** This event can never be handled (bad shape, impossible state): dead-letter it now, with this reason. */
export class Reject extends Error {
  constructor(reason: string, options: { cause?: unknown } = {}) {
    super(reason, options);
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
 * This code does not know the event, a newer version of it may: in a rolling upgrade both take from one queue. Waits in the longest retry tier
 * and counts no attempt, but not for ever.
 */
export class NotKnownYet extends Postpone {
  constructor(reason: string) {
    super(Number.POSITIVE_INFINITY, reason);
    this.name = 'NotKnownYet';
  }
}

/** The process stops and will not wait any longer: nothing is settled, the broker delivers it again to somebody else. */
export class Interrupted extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'Interrupted';
  }
}

/** The broker took this event back so often from processes that died that it is taken for their murderer. */
export class CrashLoop extends Error {
  constructor(readonly returnCount: number) {
    super(`came back ${returnCount} times from processes that died or lost their connection`);
    this.name = 'CrashLoop';
  }
}
