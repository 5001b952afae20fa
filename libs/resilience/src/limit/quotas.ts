import type { UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { Limiters } from './limiters.js';
import type { RateVerdict } from './rate-limiter.port.js';

/** The key of the one bucket of all callers. */
const ALL_CALLERS = 'all';

/**
 * Counts a request against the quota of its caller and that of all callers, both in one call, whichever door it came through.
 * Reads and writes have buckets of their own, so that scrolling back never costs a user the right to send.
 * A caller over its own limit must not use up the shared quota: its share is given back.
 * @param announce is told what the caller has left, also when it is refused. @throws ProblemError `rate-limited`.
 */
export const takeFromQuota = async (
  limiters: Limiters,
  kind: 'reads' | 'writes',
  caller: UserId,
  announce?: (own: RateVerdict) => void,
): Promise<void> => {
  const asked = limiters.global.take(ALL_CALLERS);
  const own = await limiters.perUser.take(`${kind}:${caller}`);
  announce?.(own);
  const all = await asked;
  if (!own.allowed) {
    if (all.allowed) limiters.global.refund(ALL_CALLERS);
    throw limited('user', 'Your quota is used up.', own.resetSeconds);
  }
  if (!all.allowed) throw limited('global', 'All callers together have used up the quota.', all.resetSeconds);
};

/** A refusal of a quota, counted. */
export const limited = (scope: 'user' | 'global' | 'bytes' | 'large_bodies', detail: string, retryAfterSeconds: number): ProblemError => {
  metrics.rateLimited.inc({ scope });
  return new ProblemError('rate-limited', detail, { retryAfterSeconds });
};
