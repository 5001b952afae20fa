import type { FastifyReply } from 'fastify';
import type { UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { BURST_SECONDS, type Limiters } from '#lib/resilience/limit/limiters';
import type { RateVerdict } from '#lib/resilience/limit/rate-limiter.port';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { ByteQuota } from './byte-quota.js';

/** The key of the one bucket of all callers. */
const ALL_CALLERS = 'all';
const READS = new Set(['GET', 'HEAD']);

/**
 * Counts a request against the quota of its caller and that of all callers, both in one call, and tells the caller what is left.
 * Reads and writes have buckets of their own, so that scrolling back never costs a user the right to send.
 * A caller over its own limit must not use up the shared quota: its share is given back.
 * @throws ProblemError `rate-limited`.
 */
export const takeFromQuota = async (limiters: Limiters, caller: UserId, method: string, reply: FastifyReply): Promise<void> => {
  const kind = READS.has(method) ? 'reads' : 'writes';
  const asked = limiters.global.take(ALL_CALLERS);
  const own = await limiters.perUser.take(`${kind}:${caller}`);
  announce(reply, kind, own);
  const all = await asked;
  if (!own.allowed) {
    if (all.allowed) limiters.global.refund(ALL_CALLERS);
    throw limited('user', 'Your quota is used up.', own.resetSeconds);
  }
  if (!all.allowed) throw limited('global', 'All callers together have used up the quota.', all.resetSeconds);
};

/** Refuses a caller whose answers of the last seconds were larger than its quota of bytes. @throws ProblemError `rate-limited`. */
export const takeFromByteQuota = (quota: ByteQuota, caller: string): void => {
  const retryAfterSeconds = quota.retryAfterSeconds(caller);
  if (retryAfterSeconds > 0) throw limited('bytes', 'Your quota of bytes is used up.', retryAfterSeconds);
};

// draft-ietf-httpapi-ratelimit-headers-10: q = quota, w = window in seconds, r = remaining, t = seconds until it is back.
const announce = (reply: FastifyReply, policy: string, { limit, remaining, resetSeconds }: RateVerdict): void => {
  if (limit === Number.POSITIVE_INFINITY) return;
  reply.header('ratelimit-policy', `"${policy}";q=${limit};w=${BURST_SECONDS}`);
  reply.header('ratelimit', `"${policy}";r=${remaining};t=${resetSeconds}`);
};

const limited = (scope: 'user' | 'global' | 'bytes', detail: string, retryAfterSeconds: number): ProblemError => {
  metrics.rateLimited.inc({ scope });
  return new ProblemError('rate-limited', detail, { retryAfterSeconds });
};
