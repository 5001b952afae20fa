import type { Redis } from 'ioredis';
import { beginWait } from '#lib/runtime/in-flight';
import { metrics } from '#lib/runtime/metrics';
import type { Breakers } from '../breakers.js';
import { DependencyCall } from '../dependency-call.js';
import { gather } from '../gather.js';
import { type RateLimit, RateLimiterPort, type RateVerdict, rateVerdict, unlimited } from '../rate-limiter.port.js';
import { MemoryRateLimiter } from './memory-rate-limiter.js';

// A limiter that takes longer costs more than it protects. Below the 200 ms of law 2, because until the breaker is open every send waits this
// long for a Redis that hangs: with 250 ms (resilience.md) an outage of five seconds alone missed it.
const TAKE_TIMEOUT_MS = 150;
// Without the shared count each process sees only its share of the requests and must not allow all of them the whole limit.
const LOCAL_SHARE = 0.5;
const OPERATION = 'limit';

/**
 * The bucket of memory-rate-limiter.ts, in Redis: one key per bucket with the instant at which it is full again, in microseconds of
 * the clock of Redis (ours may disagree with each other). It disappears when the bucket is full.
 * KEYS[i] bucket, the same one perhaps several times; ARGV[1] microseconds per token, ARGV[2] burst, ARGV[2 + i] tokens to take from KEYS[i].
 * Returns for each key, one after the other: allowed 0|1, microseconds until full.
 */
const TAKE = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local perToken = tonumber(ARGV[1])
local full = tonumber(ARGV[2]) * perToken + 1
local verdicts = {}
for i, key in ipairs(KEYS) do
  local before = math.max(tonumber(redis.call('GET', key) or now), now)
  local after = before + perToken * tonumber(ARGV[2 + i])
  local allowed = after - now <= full
  if allowed then redis.call('SET', key, string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000)) end
  verdicts[2 * i - 1] = allowed and 1 or 0
  verdicts[2 * i] = math.ceil((allowed and after or before) - now)
end
return verdicts
`;

type WithTake = Redis & { takeTokens(keyCount: number, ...keysThenArguments: (string | number)[]): Promise<number[]> };

/** A question that waits for the end of the turn. */
interface Question {
  readonly key: string;
  readonly count: number;
  readonly answer: (verdict: RateVerdict | Promise<RateVerdict>) => void;
}

/**
 * One count over all processes, in Redis. While Redis is out, refuses or dawdles (150 ms), this process counts by itself against
 * half the limit (law 5: local and stricter, never open). What is asked in one turn of the event loop goes in one script over all its
 * keys, so Redis must be a single server (or one with replicas), not a cluster.
 */
export class RedisRateLimiter extends RateLimiterPort {
  private readonly redis: WithTake;
  private readonly call: DependencyCall;
  private readonly local: MemoryRateLimiter;
  private readonly ask = gather<Question>((questions) => void this.askRedis(questions));

  /** @param scope keeps the buckets of several limiters apart, e.g. `user`. */
  constructor(
    redis: Redis,
    breakers: Breakers,
    private readonly scope: string,
    private readonly limit: RateLimit,
  ) {
    super();
    redis.defineCommand('takeTokens', { lua: TAKE });
    this.redis = redis as WithTake;
    this.call = new DependencyCall({ dependency: 'redis', operation: OPERATION, timeoutMs: TAKE_TIMEOUT_MS }, breakers);
    this.local = new MemoryRateLimiter({
      ratePerSecond: limit.ratePerSecond * LOCAL_SHARE,
      burst: Math.max(1, Math.floor(limit.burst * LOCAL_SHARE)),
    });
  }

  async take(key: string, count = 1): Promise<RateVerdict> {
    if (this.limit.ratePerSecond <= 0) return unlimited('shared');
    const wait = beginWait('redis', OPERATION); // the call itself runs for many, so it is in nobody's name
    const { promise, resolve: answer } = Promise.withResolvers<RateVerdict>();
    this.ask({ key, count, answer });
    try {
      return await promise;
    } finally {
      wait?.end();
    }
  }

  /** Answers every question, whatever becomes of the call. */
  private async askRedis(questions: readonly Question[]): Promise<void> {
    try {
      const { ratePerSecond, burst } = this.limit;
      const numbers = await this.call.run(() =>
        this.redis.takeTokens(
          questions.length,
          ...questions.map(({ key }) => `parley:limit:${this.scope}:${key}`),
          1_000_000 / ratePerSecond,
          burst,
          ...questions.map(({ count }) => count),
        ),
      );
      for (const [i, { answer }] of questions.entries())
        answer(rateVerdict(this.limit, numbers[2 * i] === 1, (numbers[2 * i + 1] ?? 0) / 1_000, 'shared'));
    } catch {
      metrics.fallback.inc({ dependency: 'redis', operation: OPERATION }, questions.length);
      for (const { key, count, answer } of questions) answer(this.local.take(key, count));
    }
  }
}
