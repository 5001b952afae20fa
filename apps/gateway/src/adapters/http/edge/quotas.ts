import type { FastifyReply } from 'fastify';
import type { UserId } from '#lib/contracts/ids';
import { BURST_SECONDS, type Limiters } from '#lib/resilience/limit/limiters';
import { limited, takeFromQuota } from '#lib/resilience/limit/quotas';
import type { RateVerdict } from '#lib/resilience/limit/rate-limiter.port';
import type { ByteQuota } from './byte-quota.js';

const READS = new Set(['GET', 'HEAD']);

/** Counts a request against its quotas and tells the caller what is left. @throws ProblemError `rate-limited`. */
export const takeFromRequestQuota = (limiters: Limiters, caller: UserId, method: string, reply: FastifyReply): Promise<void> => {
  const kind = READS.has(method) ? 'reads' : 'writes';
  return takeFromQuota(limiters, kind, caller, (own) => announce(reply, kind, own));
};

/** Refuses a caller whose answers, or large bodies, of the last seconds were more than its quota of bytes. @throws ProblemError `rate-limited`. */
export const takeFromByteQuota = (quota: ByteQuota, caller: string, scope: 'bytes' | 'large_bodies' = 'bytes'): void => {
  const retryAfterSeconds = quota.retryAfterSeconds(caller);
  if (retryAfterSeconds > 0)
    throw limited(scope, `Your quota of bytes${scope === 'bytes' ? '' : ' of large bodies'} is used up.`, retryAfterSeconds);
};

// draft-ietf-httpapi-ratelimit-headers-10: q = quota, w = window in seconds, r = remaining, t = seconds until it is back.
const announce = (reply: FastifyReply, policy: string, { limit, remaining, resetSeconds }: RateVerdict): void => {
  if (limit === Number.POSITIVE_INFINITY) return;
  reply.header('ratelimit-policy', `"${policy}";q=${limit};w=${BURST_SECONDS}`);
  reply.header('ratelimit', `"${policy}";r=${remaining};t=${resetSeconds}`);
};
