import { type CryptoKey, createRemoteJWKSet, errors, type FlattenedJWSInput, type JWSHeaderParameters } from 'jose';
import { ProblemError } from '#lib/contracts/problems';

/** Longest fetch of the key set; a request waits for it only without any keys, or for an unknown key. */
const FETCH_TIMEOUT_MS = 2_000;
/** Keys are fetched anew this often, in the background. */
const REFRESH_AFTER_MS = 600_000;
/** Shortest pause between two fetches for unknown key ids: forged tokens must not cause a flood of them. */
const COOLDOWN_MS = 30_000;
/** After a failed fetch, requests that need one fail at once for this long instead of waiting 2 s each. */
const FAILURE_MEMORY_MS = 5_000;

/**
 * The public keys of the identity provider. Once fetched they are kept for as long as the process lives, refreshed in the background, so
 * tokens signed with a known key are accepted while the identity provider is down.
 */
export class RemoteKeys {
  private readonly keySet: ReturnType<typeof createRemoteJWKSet>;
  private refreshedAt = Number.NEGATIVE_INFINITY;
  private failedAt = Number.NEGATIVE_INFINITY;

  constructor(url: URL) {
    this.keySet = createRemoteJWKSet(url, {
      timeoutDuration: FETCH_TIMEOUT_MS,
      cooldownDuration: COOLDOWN_MS,
      cacheMaxAge: Number.POSITIVE_INFINITY,
    });
  }

  /**
   * The key that a token names. @throws jose's error when there is no such key (the token is not valid), ProblemError `dependency-unavailable`
   * while the identity provider does not answer.
   */
  async keyFor(header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    const known = this.keySet.jwks()?.keys;
    const needsFetch = known === undefined || (header.kid !== undefined && !known.some(({ kid }) => kid === header.kid));
    if (needsFetch && performance.now() - this.failedAt < FAILURE_MEMORY_MS) throw this.unavailable();
    if (known !== undefined && performance.now() - this.refreshedAt > REFRESH_AFTER_MS) this.refreshInBackground();
    try {
      return await this.keySet(header, token);
    } catch (error) {
      if (saysNoSuchKey(error)) throw error;
      this.failedAt = performance.now();
      throw this.unavailable(error);
    } finally {
      if (known === undefined && this.keySet.jwks() !== undefined) this.refreshedAt = performance.now();
    }
  }

  private refreshInBackground(): void {
    this.refreshedAt = performance.now();
    this.keySet.reload().catch(() => {
      // The old keys stay valid; the next try comes after the shorter pause for failures, not after the full interval.
      this.refreshedAt = performance.now() - REFRESH_AFTER_MS + FAILURE_MEMORY_MS;
    });
  }

  private unavailable(cause?: unknown): ProblemError {
    return new ProblemError('dependency-unavailable', 'Tokens cannot be checked right now: the identity provider does not answer.', {
      retryAfterSeconds: FAILURE_MEMORY_MS / 1_000,
      cause,
    });
  }
}

const saysNoSuchKey = (error: unknown): boolean =>
  error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys || error instanceof errors.JOSENotSupported;
