import type { Redis } from 'ioredis';
import { Breakers } from '../breakers.js';
import { DependencyCall } from '../dependency-call.js';
import { type RateLimit, RateLimiterPort, type RateVerdict, rateVerdict, unlimited } from '../rate-limiter.port.js';
import { MemoryRateLimiter } from './memory-rate-limiter.js';

// A limiter that takes longer costs more than it protects. Below the 200 ms of law 2, because until the breaker is open every send waits this
// long for a Redis that hangs: with 250 ms (resilience.md) an outage of five seconds alone missed it.
const TAKE_TIMEOUT_MS = 150;
// Without the shared count each process sees only its share of the requests and must not allow all of them the whole limit.
const LOCAL_SHARE = 0.5;

/**
 * The bucket of memory-rate-limiter.ts, in Redis: one key per bucket with the instant at which it is full again, in microseconds of
 * the clock of Redis (ours may disagree with each other). It disappears when the bucket is full.
 * KEYS[1] bucket; ARGV[1] microseconds per token, ARGV[2] burst, ARGV[3] tokens to take. Returns [allowed 0|1, microseconds until full].
 */
const TAKE = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local perToken = tonumber(ARGV[1])
local before = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local after = before + perToken * tonumber(ARGV[3])
if after - now > tonumber(ARGV[2]) * perToken + 1 then return {0, math.ceil(before - now)} end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return {1, math.ceil(after - now)}
`;

type WithTake = Redis & { takeToken(key: string, perTokenUs: number, burst: number, count: number): Promise<[number, number]> };

/**
 * One count over all processes, in Redis. While Redis is out, refuses or dawdles (150 ms), this process counts by itself against
 * half the limit (law 5: local and stricter, never open).
 */
export class RedisRateLimiter extends RateLimiterPort {
  private readonly redis: WithTake;
  private readonly call: DependencyCall;
  private readonly local: MemoryRateLimiter;

  /** @param scope keeps the buckets of several limiters apart, e.g. `user`. */
  constructor(
    redis: Redis,
    breakers: Breakers,
    private readonly scope: string,
    private readonly limit: RateLimit,
  ) {
    super();
    redis.defineCommand('takeToken', { numberOfKeys: 1, lua: TAKE });
    this.redis = redis as WithTake;
    this.call = new DependencyCall({ dependency: 'redis', operation: 'limit', timeoutMs: TAKE_TIMEOUT_MS }, breakers);
    this.local = new MemoryRateLimiter({
      ratePerSecond: limit.ratePerSecond * LOCAL_SHARE,
      burst: Math.max(1, Math.floor(limit.burst * LOCAL_SHARE)),
    });
  }

  take(key: string, count = 1): Promise<RateVerdict> {
    if (this.limit.ratePerSecond <= 0) return Promise.resolve(unlimited('shared'));
    return this.call.runOr(
      () => this.takeShared(key, count),
      () => this.local.take(key, count),
    );
  }

  private async takeShared(key: string, count: number): Promise<RateVerdict> {
    const { ratePerSecond, burst } = this.limit;
    const [allowed, fullInUs] = await this.redis.takeToken(`parley:limit:${this.scope}:${key}`, 1_000_000 / ratePerSecond, burst, count);
    return rateVerdict(this.limit, allowed === 1, fullInUs / 1_000, 'shared');
  }
}
