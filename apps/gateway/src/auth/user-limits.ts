import type { Config } from '#lib/runtime/config/config';

/** Limits of one user beside requests per second; 0 = no limit. */
export interface UserLimits {
  /** Requests in flight, per process. */
  readonly concurrent: number;
  /** Bytes of answers, per process. */
  readonly bytesPerSecond: number;
  /** Bytes of large bodies, per process. */
  readonly bodyBytesPerSecond: number;
  readonly conversationsPerDay: number;
  readonly additionsPerDay: number;
}

/** The limits of a configuration. With `RATE_LIMIT_PER_USER` = 0 only limits that are set apply. */
export const userLimits = (config: Config): UserLimits => {
  const unlessSet = (limit: number): number => (config.RATE_LIMIT_PER_USER === 0 ? 0 : limit);
  return {
    concurrent: config.HTTP_MAX_CONCURRENT_PER_USER ?? unlessSet(50),
    // Two whole pages of the longest messages each second.
    bytesPerSecond: config.RATE_LIMIT_BYTES_PER_USER ?? unlessSet(2_000_000),
    // 10 MB of the strangest text take a second of a thread: a tenth of a core.
    bodyBytesPerSecond: config.RATE_LIMIT_BODY_BYTES_PER_USER ?? unlessSet(1_000_000),
    conversationsPerDay: config.DAILY_CONVERSATIONS_PER_USER ?? unlessSet(1_000),
    additionsPerDay: config.DAILY_ADDITIONS_PER_USER ?? unlessSet(10_000),
  };
};
