import { SignJWT } from 'jose';

/** The user and the rights that a token states. */
export interface TokenClaims {
  /** The user id (`sub`). */
  readonly user: string;
  /** `admin` opens `/v1/admin`, `service` may act for any user. */
  readonly scopes?: readonly ('admin' | 'service')[];
  /** Lifetime in seconds; one hour unless said otherwise. */
  readonly ttlSeconds?: number;
  readonly audience?: string;
}

/** Signs a token with the shared secret (HS256), as the identity provider of a real deployment would. */
export async function mintToken(
  secret: string,
  { user, scopes = [], ttlSeconds = 3_600, audience = 'parley' }: TokenClaims,
): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  return new SignJWT(scopes.length === 0 ? {} : { scope: scopes.join(' ') })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(user)
    .setAudience(audience)
    .setIssuedAt(now)
    .setExpirationTime(now + ttlSeconds)
    .sign(new TextEncoder().encode(secret));
}
