import { createSecretKey, hash, type KeyObject } from 'node:crypto';
import { errors, type FlattenedJWSInput, type JWSHeaderParameters, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { ERASED_USER, UserId } from '#lib/contracts/ids';
import type { Caller } from '../caller.js';
import { InvalidToken, type TokenFault, TokenVerifierPort } from '../token-verifier.port.js';
import type { RemoteKeys } from './jose-remote-keys.js';

/** Clock tolerance in seconds, for `nbf` only: an expired token is expired. */
const CLOCK_SKEW_S = 5;
/** How long a verified token is cached, and so how late a withdrawn key is noticed. */
const CACHE_TTL_MS = 60_000;
/** Verified tokens in the cache, about 5 MB; with more active users each request costs a verification (0.1 ms). */
const CACHE_SIZE = 10_000;

const ASYMMETRIC = ['RS256', 'ES256', 'EdDSA'] as const;

/** How tokens are signed: a shared secret (at least 32 bytes), a published key set, or both. */
export interface TokenKeys {
  readonly secret?: string | undefined;
  readonly remote?: RemoteKeys | undefined;
}

/**
 * Verifies JWTs. Algorithms are pinned by configuration, never taken from the token: HS256 exists only with a secret and only the secret
 * verifies it, so neither `alg: none` nor HS256 "signed" with a public key can pass.
 */
export class JoseTokenVerifier extends TokenVerifierPort {
  private readonly secret: KeyObject | undefined;
  private readonly remote: RemoteKeys | undefined;
  private readonly algorithms: string[];
  // Keyed by hash: a heap dump holds no usable tokens.
  private readonly verified = new LRUCache<string, Caller>({ max: CACHE_SIZE, ttl: CACHE_TTL_MS });

  /** @param maxLifeS a token that is valid for longer than this many seconds from now is refused. */
  constructor(
    keys: TokenKeys,
    private readonly audience: string,
    private readonly maxLifeS = Number.POSITIVE_INFINITY,
  ) {
    super();
    this.secret = keys.secret === undefined ? undefined : createSecretKey(Buffer.from(keys.secret));
    this.remote = keys.remote;
    this.algorithms = [...(keys.secret === undefined ? [] : ['HS256']), ...(keys.remote === undefined ? [] : ASYMMETRIC)];
  }

  override async verify(token: string): Promise<Caller> {
    const key = hash('sha256', token, 'base64');
    const known = this.verified.get(key);
    if (known !== undefined) {
      assertNotExpired(known);
      return known;
    }
    const caller = await this.verifyAnew(token);
    this.verified.set(key, caller);
    return caller;
  }

  private async verifyAnew(token: string): Promise<Caller> {
    const { payload } = await jwtVerify(token, (header, jws) => this.keyFor(header, jws), {
      algorithms: this.algorithms,
      audience: this.audience,
      requiredClaims: ['sub', 'exp'],
      clockTolerance: CLOCK_SKEW_S,
    }).catch((error: unknown) => {
      if (error instanceof errors.JOSEError) throw new InvalidToken(error.code, { fault: faultOf(error), cause: error });
      // Node's own errors about a token's bytes (a key that does not fit its signature, broken base64).
      if (error instanceof TypeError) throw new InvalidToken('malformed', { cause: error });
      throw error;
    });
    const expiresAt = (payload.exp ?? 0) * 1_000;
    assertNotExpired({ expiresAt });
    if (expiresAt - Date.now() > this.maxLifeS * 1_000) throw new InvalidToken('lives too long', { fault: 'lives-too-long' });
    const userId = UserId.safeParse(payload.sub);
    if (!userId.success || userId.data === ERASED_USER) throw new InvalidToken('sub is not a user id');
    return { userId: userId.data, scopes: scopesOf(payload['scope']), expiresAt };
  }

  private async keyFor(header: JWSHeaderParameters, jws: FlattenedJWSInput) {
    if (header.alg === 'HS256') {
      if (this.secret === undefined) throw new InvalidToken('HS256 without a secret');
      return this.secret;
    }
    if (this.remote === undefined) throw new InvalidToken('asymmetric without a key set');
    return this.remote.keyFor(header, jws);
  }
}

// Claims are checked after the signature: a forged token learns nothing about its claims.
const faultOf = (error: errors.JOSEError): TokenFault => {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (!(error instanceof errors.JWTClaimValidationFailed)) return 'forged';
  if (error.claim === 'nbf') return 'not-yet-valid';
  return error.claim === 'aud' ? 'other-audience' : 'forged';
};

// jose allows the same tolerance for `exp` as for `nbf`; for us expired is expired.
const assertNotExpired = ({ expiresAt }: Pick<Caller, 'expiresAt'>): void => {
  if (expiresAt <= Date.now()) throw new InvalidToken('expired', { fault: 'expired' });
};

const scopesOf = (claim: unknown): ReadonlySet<string> =>
  new Set(typeof claim === 'string' ? claim.split(' ').filter((scope) => scope !== '') : []);
