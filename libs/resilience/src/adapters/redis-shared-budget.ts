import type { Redis } from 'ioredis';
import type { Breakers } from '../call/breakers.js';
import { DependencyCall } from '../call/dependency-call.js';
import {
  type BudgetNumbers,
  budgetNumbers,
  type BudgetRequest,
  type BudgetVerdict,
  HALVED_ONCE_WITHIN_MS,
  MIN_PER_MINUTE,
  RECOVERY_MS,
  SharedBudgetPort,
} from '../limit/shared-budget.port.js';
import { MemorySharedBudget } from './memory-shared-budget.js';

const TIMEOUT_MS = 150;
const OPERATION = 'budget';
// Others count by themselves too: two of them together allow what is allowed.
const LOCAL_SHARE = 0.5;

/**
 * What both scripts begin with: the clock of Redis in milliseconds (ours may disagree with each other), and the rate of now. A time in the
 * future, because the clock was set back, is taken as now.
 * KEYS[1] the budget: `tokens` at `at`, `rate` at `rateAt`, `halvedAt`, `quietUntil`. ARGV[1] requests per minute, ARGV[2] milliseconds of recovery.
 */
const RATE_NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local perMinute = tonumber(ARGV[1])
local known = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'rate', 'rateAt', 'halvedAt', 'quietUntil')
local function past(value) return math.min(tonumber(value or now), now) end
local rate = math.min(perMinute, tonumber(known[3] or perMinute) + (now - past(known[4])) * perMinute / tonumber(ARGV[2]))
local function keep(name, value) redis.call('HSET', KEYS[1], name, string.format('%.6f', value)) end
`;

/**
 * The bucket of memory-shared-budget.ts. KEYS[2] the bucket of the caller. ARGV[3] burst, ARGV[4] tokens needed, ARGV[5] burst of the caller,
 * ARGV[6] its requests per minute. Returns: 0 granted, 1 the caller's share is used up, 2 that of all; milliseconds to wait; the rate of now.
 */
const TAKE = `${RATE_NOW}
local function refilled(tokens, at, burst, each) return math.min(burst, tokens + (now - at) * each / 60000) end
local function wait(needed, tokens, each) return tokens >= needed - 0.000001 and 0 or math.ceil((needed - tokens) * 60000 / each) end
local burst, needed, callerBurst, callerRate = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local own = redis.call('HMGET', KEYS[2], 'tokens', 'at')
local callerTokens = refilled(tonumber(own[1] or callerBurst), past(own[2]), callerBurst, callerRate)
local callerWait = wait(1, callerTokens, callerRate)
if callerWait > 0 then return { 1, callerWait, tostring(rate) } end
local tokens = refilled(tonumber(known[1] or burst), past(known[2]), burst, rate)
-- A quiet time longer than the longest that is ever set was set by a clock that was ahead.
local quiet = tonumber(known[6] or 0) - now
if quiet > 600000 then quiet = 0 end
local waitMs = math.max(quiet, wait(needed, tokens, rate))
if waitMs > 0 then return { 2, waitMs, tostring(rate) } end
redis.call('HSET', KEYS[2], 'tokens', string.format('%.6f', callerTokens - 1), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[2], math.ceil(callerBurst * 60000 / callerRate))
keep('tokens', tokens - 1)
keep('at', now)
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[2]))
return { 0, 0, tostring(rate) }
`;

/** ARGV[3] the lowest rate, ARGV[4] refusals within so many milliseconds are one, ARGV[5] milliseconds of quiet. Returns the rate of now. */
const SLOW_DOWN = `${RATE_NOW}
if now - tonumber(known[5] or 0) >= tonumber(ARGV[4]) or now < tonumber(known[5] or 0) then
  rate = math.max(tonumber(ARGV[3]), rate / 2)
  keep('rate', rate)
  keep('rateAt', now)
  keep('halvedAt', now)
end
keep('tokens', 0)
keep('at', now)
keep('quietUntil', math.max(tonumber(known[6] or 0), now + tonumber(ARGV[5])))
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[2]))
return tostring(rate)
`;

type WithBudget = Redis & {
  takeBudget(keyCount: 2, ...keysThenArguments: (string | number)[]): Promise<[verdict: number, waitMs: number, rate: string]>;
  slowBudgetDown(keyCount: 1, ...keysThenArguments: (string | number)[]): Promise<string>;
};

/**
 * One budget over all processes, in Redis. While Redis is out, refuses or is late, this process counts by itself against half of the budget
 * (law 5: local and stricter, never open); it is told of each 429, too, so that it knows of them then.
 */
export class RedisSharedBudget extends SharedBudgetPort {
  private readonly redis: WithBudget;
  private readonly call: DependencyCall;
  private readonly local: MemorySharedBudget;
  private readonly numbers: BudgetNumbers;
  private latest: number;

  /** @param name keeps budgets of several vendors apart. */
  constructor(
    redis: Redis,
    breakers: Breakers,
    private readonly name: string,
    perMinute: number,
  ) {
    super();
    redis.defineCommand('takeBudget', { lua: TAKE });
    redis.defineCommand('slowBudgetDown', { lua: SLOW_DOWN });
    this.redis = redis as WithBudget;
    this.call = new DependencyCall({ dependency: 'redis', operation: OPERATION, timeoutMs: TIMEOUT_MS }, breakers);
    this.numbers = budgetNumbers(perMinute);
    this.local = new MemorySharedBudget(Math.max(1, perMinute * LOCAL_SHARE));
    this.latest = perMinute;
  }

  async take(request: BudgetRequest): Promise<BudgetVerdict> {
    const { perMinute, burst, needed, callerBurst, callerPerMinute } = this.numbers;
    const keys = [this.key, `${this.key}:${request.caller}`];
    const numbers = [perMinute, RECOVERY_MS, burst, needed[request.lane], callerBurst, callerPerMinute];
    const told = await this.call.runOr(
      () => this.redis.takeBudget(2, ...keys, ...numbers),
      () => undefined,
    );
    if (told === undefined) return this.local.take(request);
    const [verdict, waitMs, rate] = told;
    this.latest = Number(rate);
    return verdict === 0 ? { granted: true } : { granted: false, whose: verdict === 1 ? 'caller' : 'all', waitMs };
  }

  async slowDown(quietMs = 0): Promise<void> {
    await this.local.slowDown(quietMs);
    const numbers = [this.numbers.perMinute, RECOVERY_MS, MIN_PER_MINUTE, HALVED_ONCE_WITHIN_MS, quietMs];
    const rate = await this.call.runOr(
      () => this.redis.slowBudgetDown(1, this.key, ...numbers),
      () => undefined,
    );
    if (rate !== undefined) this.latest = Number(rate);
  }

  get perMinute(): number {
    return this.latest;
  }

  private get key(): string {
    return `parley:budget:${this.name}`;
  }
}
