import type { Redis } from 'ioredis';
import { metrics } from '#lib/runtime/metrics/metrics';
import { withTimeLimit } from '#lib/runtime/work/within';
import type { Breakers } from '../call/breakers.js';
import { DependencyCall } from '../call/dependency-call.js';
import { batchPerTick } from '../load/batch-per-tick.js';
import type { RateLimit } from '../limit/rate-limiter.port.js';

// A limiter that takes longer costs more than it protects: a quarter of the 200 ms that a send may take (law 2), and fifty times what Redis takes.
// Five answers in a row that come later open the breaker, and then no request waits until its next trial.
const LATE_MS = 50;
/** The end of a call that even the check for lateness has lost. */
const TAKE_TIMEOUT_MS = 150;
/** Operation class of the calls, also in what is waited for. */
export const LIMIT_OPERATION = 'limit';

/**
 * The bucket of memory-rate-limiter.ts, in Redis: one key per bucket with the instant at which it is full again, in microseconds of
 * the clock of Redis (ours may disagree with each other). It disappears when the bucket is full. An instant further away than an empty bucket
 * has, because the clock was set back, is that of an empty one from then on. A negative number of tokens gives back.
 * KEYS[i] bucket, the same one perhaps several times; ARGV[3i-2] microseconds per token, ARGV[3i-1] burst, ARGV[3i] tokens to take.
 * Returns for each key, one after the other: allowed 0|1, microseconds until full.
 */
const TAKE = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local verdicts = {}
for i, key in ipairs(KEYS) do
  local perToken = tonumber(ARGV[3 * i - 2])
  local full = tonumber(ARGV[3 * i - 1]) * perToken + 1
  local before = math.max(tonumber(redis.call('GET', key) or now), now)
  if before > now + full then
    before = now + full
    redis.call('SET', key, string.format('%.0f', before), 'PX', math.ceil(full / 1000))
  end
  local after = math.max(before + perToken * tonumber(ARGV[3 * i]), now)
  local allowed = after - now <= full
  if after == now then
    redis.call('DEL', key)
  elseif allowed then
    redis.call('SET', key, string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
  end
  verdicts[2 * i - 1] = allowed and 1 or 0
  verdicts[2 * i] = math.ceil((allowed and after or before) - now)
end
return verdicts
`;

type WithTake = Redis & { takeTokens(keyCount: number, ...keysThenArguments: (string | number)[]): Promise<number[]> };

/** What Redis said about a bucket. */
export interface BucketVerdict {
  readonly allowed: boolean;
  /** Milliseconds until the bucket is full again. */
  readonly fullInMs: number;
}

/** A question that waits for the end of the turn. */
interface Question {
  readonly key: string;
  readonly limit: RateLimit;
  readonly count: number;
  readonly answer: (verdict: BucketVerdict | undefined) => void;
}

/**
 * Token buckets in Redis, of one count over all processes. What is asked in one turn of the event loop, whatever limit it is for, goes in one
 * script over all its keys, so Redis must be a single server (or one with replicas), not a cluster.
 */
export class RedisBuckets {
  private readonly redis: WithTake;
  private readonly call: DependencyCall;
  private readonly ask = batchPerTick<Question>((questions) => void this.askRedis(questions));

  constructor(redis: Redis, breakers: Breakers) {
    redis.defineCommand('takeTokens', { lua: TAKE });
    this.redis = redis as WithTake;
    this.call = new DependencyCall({ dependency: 'redis', operation: LIMIT_OPERATION, timeoutMs: TAKE_TIMEOUT_MS }, breakers);
  }

  /** Takes tokens, or gives them back when `count` is negative. `answer` gets undefined when Redis is out, refuses or is late. */
  take(key: string, limit: RateLimit, count: number, answer: (verdict: BucketVerdict | undefined) => void = () => undefined): void {
    this.ask({ key, limit, count, answer });
  }

  /** Answers every question, whatever becomes of the call. */
  private async askRedis(questions: readonly Question[]): Promise<void> {
    const numbers = await this.numbersFor(questions);
    for (let i = 0; i < questions.length; i += 1) {
      const verdict = numbers && { allowed: numbers[2 * i] === 1, fullInMs: (numbers[2 * i + 1] ?? 0) / 1_000 };
      questions[i]?.answer(verdict);
    }
  }

  private async numbersFor(questions: readonly Question[]): Promise<readonly number[] | undefined> {
    try {
      return await this.call.run(() => inTime(this.redis.takeTokens(questions.length, ...argumentsOf(questions))));
    } catch {
      metrics.fallback.inc({ dependency: 'redis', operation: LIMIT_OPERATION }, questions.length);
      return undefined;
    }
  }
}

const argumentsOf = (questions: readonly Question[]): (string | number)[] => {
  const values: (string | number)[] = [];
  for (const { key } of questions) values.push(key);
  for (const { limit, count } of questions) values.push(1_000_000 / limit.ratePerSecond, limit.burst, count);
  return values;
};

/** The answer, or an error when it is late. When our own loop stood still, what has arrived meanwhile is read before that is decided. */
const inTime = <T>(reply: Promise<T>): Promise<T> => withTimeLimit(LATE_MS, reply, () => withTimeLimit(0, reply, tooLate));

const tooLate = () => {
  throw new Error(`Redis took more than ${LATE_MS} ms`);
};
