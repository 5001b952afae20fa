import { ProblemError } from '#lib/contracts/problems';
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

  /** What the caller is told. */
  get problem(): ProblemError {
    return new ProblemError('unauthenticated', advice[this.fault], { cause: this });
  }
}

// Says what the owner of a token can change; says nothing about a forged one.
const advice: Readonly<Record<TokenFault, string>> = {
  expired: 'The token has expired: get a new one.',
  'not-yet-valid': 'The token is not valid yet: its `nbf` lies ahead.',
  'other-audience': 'The token is for another audience.',
  'lives-too-long': 'The token is valid for longer than this server allows (AUTH_TOKEN_MAX_LIFE_S): get one that ends sooner.',
  forged: 'The token is not valid.',
};

/** Verifies a bearer token and names its user. */
export abstract class TokenVerifierPort {
  /**
   * Rejects with InvalidToken for anything but a signed token for our audience, not expired, already valid, with a user id as its subject;
   * with ProblemError `dependency-unavailable` when the keys cannot be fetched within 2 s: without keys every caller is refused.
   */
  abstract verify(token: string): Promise<Caller>;
}
