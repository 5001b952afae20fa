import type { Caller } from './caller.js';

/** Why a token is refused, as far as its owner can do something about it; `forged` is everything else. */
export type TokenFault = 'expired' | 'not-yet-valid' | 'other-audience' | 'lives-too-long' | 'forged';

/** The token is not one of ours, or not any more. `message` says why, for the log; the caller only learns its `fault`. */
export class InvalidToken extends Error {
  readonly fault: TokenFault;

  constructor(reason: string, { fault = 'forged', cause }: { fault?: TokenFault; cause?: unknown } = {}) {
    super(reason, { cause });
    this.name = 'InvalidToken';
    this.fault = fault;
  }
}

/** Decides whom a bearer token speaks for. */
export abstract class TokenVerifierPort {
  /**
   * Rejects with InvalidToken for anything but a signed token for our audience, not expired, already valid, with a user id as its subject;
   * with ProblemError `dependency-unavailable` when the keys cannot be had within 2 s: then nobody can say, and nobody is let in.
   */
  abstract verify(token: string): Promise<Caller>;
}
