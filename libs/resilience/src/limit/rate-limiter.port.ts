/** How much one key may do: `ratePerSecond` for ever, `burst` at once after a pause. */
export interface RateLimit {
  /** Requests per second in the long run; fractions are fine; 0 = no limit. */
  readonly ratePerSecond: number;
  /** Requests at once, at least 1. */
  readonly burst: number;
}

/** The verdict on one request, and what a client may be told about its quota. */
export interface RateVerdict {
  readonly allowed: boolean;
  /** The burst; Infinity when there is no limit. */
  readonly limit: number;
  /** Further requests that would be allowed now. */
  readonly remaining: number;
  /** Whole seconds: when refused, until one request is allowed again (at least 1); when allowed, until the full burst is back. */
  readonly resetSeconds: number;
  /** `shared` = counted over all processes; `local` = by this process alone. */
  readonly policy: 'shared' | 'local';
}

/**
 * Decides whether a key (a user, or the whole system) may make one more request. A token bucket, so that the limit holds over any
 * stretch of time. Limiters made of fixed windows do not hold it: the BurstyRateLimiter of rate-limiter-flexible, set to 5 per second
 * and a burst of 10, let 14 through within 0.1 s and 6.9 per second in the long run.
 */
export abstract class RateLimiterPort {
  /**
   * Counts one request of `key`, or `count` of them at once (all or none), and says whether it may pass; what is refused costs nothing.
   * Answers within 100 ms, whatever is out, and never throws.
   */
  abstract take(key: string, count?: number): Promise<RateVerdict>;

  /** Returns what was taken and not used: it is there again for others. Never throws, and may be lost when something is out. */
  abstract refund(key: string, count?: number): void;
}

/** Why a bucket with this limit never refuses, or undefined. */
export const unlimited = (policy: 'shared' | 'local'): RateVerdict => ({
  allowed: true,
  limit: Number.POSITIVE_INFINITY,
  remaining: Number.POSITIVE_INFINITY,
  resetSeconds: 0,
  policy,
});

/**
 * What a bucket says after it was asked for a token.
 * @param fullInMs milliseconds until the bucket is full again, this request counted when it was allowed.
 */
export const rateVerdict = (
  { ratePerSecond, burst }: RateLimit,
  allowed: boolean,
  fullInMs: number,
  policy: 'shared' | 'local',
): RateVerdict => {
  const perTokenMs = 1_000 / ratePerSecond;
  // Rounded first: what is a whole number on paper must not become 0.9999 tokens.
  const tokens = Math.round((burst - fullInMs / perTokenMs) * 1e6) / 1e6;
  const waitMs = allowed ? fullInMs : fullInMs + perTokenMs - burst * perTokenMs;
  return {
    allowed,
    limit: burst,
    remaining: Math.max(0, Math.floor(tokens)),
    resetSeconds: Math.max(allowed ? 0 : 1, Math.ceil(waitMs / 1_000)),
    policy,
  };
};
