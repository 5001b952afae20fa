import type { Caller } from './caller.js';

/** The token is not one of ours, or not any more. `message` says why, for the log; the caller only learns that it is not valid. */
export class InvalidToken extends Error {
  constructor(reason: string, options: { cause?: unknown } = {}) {
    super(reason, options);
    this.name = 'InvalidToken';
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
