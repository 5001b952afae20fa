import type { Caller } from './caller.js';

/** Why a token is refused, when its owner can act on the reason; `forged` stands for every other reason. */
export type TokenFault = 'expired' | 'not-yet-valid' | 'other-audience' | 'lives-too-long' | 'forged';

/** The token is invalid or expired. `message` says why, for the log; the caller only learns its `fault`. */
export class InvalidToken extends Error {
  readonly fault: TokenFault;

  constructor(reason: string, { fault = 'forged', cause }: { fault?: TokenFault; cause?: unknown } = {}) {
    super(reason, { cause });
    this.name = 'InvalidToken';
    this.fault = fault;
  }
}

/** Verifies a bearer token and names its user. */
export abstract class TokenVerifierPort {
  /**
   * Rejects with InvalidToken for anything but a signed token for our audience, not expired, already valid, with a user id as its subject;
   * with ProblemError `dependency-unavailable` when the keys cannot be fetched within 2 s: without keys every caller is refused.
   */
  abstract verify(token: string): Promise<Caller>;
}
