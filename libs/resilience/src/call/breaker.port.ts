/** closed = calls pass; open = calls are refused at once; half-open = one trial call at a time decides. */
export type BreakerState = 'closed' | 'half-open' | 'open';

/** How a call ended, as far as the health of the dependency is concerned. */
export type CallVerdict =
  /** It answered in time: a result, or an error that proves that it works. */
  | 'healthy'
  /** It failed, did not answer, or answered too slowly. */
  | 'failing'
  /** The call says nothing about it: the caller ran out of time, or our own limits were in the way. */
  | 'unknown';

/** The permission to make one call. Its holder gives exactly one verdict; later ones are ignored. */
export interface Permit {
  /** @param error code or name of what a failing call ended with, for the log of the breaker. */
  verdict(verdict: CallVerdict, error?: string): void;
}

/** Why a breaker changed its state. */
export interface BreakerCause {
  /** Calls that failed in this outage: those that opened it, and the trials since. */
  readonly failureCount: number;
  /** Code or name of the last failure; undefined when it was not told. */
  readonly error: string | undefined;
}

/** What a breaker is made for. */
export interface BreakerSettings {
  /** `<dependency>.<operation>`, for logs. */
  readonly name: string;
  /** Time that it stays open before a trial call, in milliseconds. */
  readonly resetMs: number;
}

/**
 * Stops calls to something that does not work, and finds out when it works again. It never sees the call itself:
 * it gives out permits and hears verdicts, so it cannot delay, swallow or repeat anything.
 *
 *     closed --(5 failing in a row, or more than half of >= 5 in 10 s)--> open --(resetMs)--> half-open --(2 healthy trials in a row)--> closed
 *                                                                         ^--------(a failing trial)-------|
 *
 * Verdicts of calls that were permitted before the last change of state are ignored: they tell about a time that is over.
 */
export abstract class BreakerPort {
  abstract readonly state: BreakerState;
  /** When it took on its state. */
  abstract readonly since: Date;
  /** Milliseconds until an open breaker permits a trial; 0 when it is not open. */
  abstract readonly retryInMs: number;
  /** Permission for one call, or undefined when it must not be made now. */
  abstract permit(): Permit | undefined;
  /** Calls `listener` after every change of state, with what led to it. @returns a function that ends it. */
  abstract onChange(listener: (state: BreakerState, cause: BreakerCause) => void): () => void;
}

/** Makes the breaker of one operation class. */
export type BreakerFactory = (settings: BreakerSettings) => BreakerPort;
