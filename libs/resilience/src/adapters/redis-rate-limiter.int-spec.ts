import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { type PrivateStack, startPrivateStack } from '#lib/devstack/private-stack';
import type { Breakers } from '../call/breakers.js';
import { rateLimiterContract } from '../limit/rate-limiter.contract.js';
import type { RateLimit, RateVerdict } from '../limit/rate-limiter.port.js';
import { createBreakers } from './opossum-breaker.js';
import { connectRedis } from './redis-connection.js';
import { RedisBuckets } from './redis-buckets.js';
import { RedisRateLimiter } from './redis-rate-limiter.js';

const limit = { ratePerSecond: 5, burst: 10 };
/** An answer of Redis that is later than 50 ms is not waited for: on a busy machine any test of the shared count may meet one, hardly three in a row. */
const SHARED = { retry: 2 };

// A Redis of its own: it is frozen and killed here.
let stack: PrivateStack;
const connections: Redis[] = [];
const connect = () => {
  const redis = connectRedis(stack.redisUrl, 'parley-test', () => undefined);
  connections.push(redis);
  return redis;
};

beforeAll(async () => {
  stack = await startPrivateStack({ only: ['redis'] });
});
afterEach(async () => {
  for (const redis of connections.splice(0)) redis.disconnect();
  await stack.redis.resume();
  await stack.redis.start();
});
afterAll(() => stack.stop());

const limiterOn = (redis: Redis, of: RateLimit = limit, breakers: Breakers = createBreakers()) =>
  new RedisRateLimiter(new RedisBuckets(redis, breakers), randomUUID(), of);

const connected = async (): Promise<Redis> => {
  const redis = connect();
  await eventually(() => redis.ping());
  return redis;
};

describe('a rate limiter with Redis', SHARED, () => {
  let shared: Redis;
  beforeAll(async () => {
    shared = connectRedis(stack.redisUrl, 'parley-test', () => undefined);
    await eventually(() => shared.ping());
  });
  afterAll(() => shared.disconnect());

  rateLimiterContract('shared', (of) => limiterOn(shared, of));
});

it('the rate limiter counts over all processes together', SHARED, async () => {
  const scope = randomUUID();
  const processes = [await connected(), await connected()].map(
    (redis) => new RedisRateLimiter(new RedisBuckets(redis, createBreakers()), scope, { ratePerSecond: 0.01, burst: 10 }),
  );

  const verdicts = await Promise.all(processes.flatMap((limiter) => Array.from({ length: 15 }, () => limiter.take('alice'))));

  expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(10);
});

it('the rate limiter leaves nothing in Redis once the quota is whole again', SHARED, async () => {
  const redis = await connected();
  const scope = randomUUID();
  const limiter = new RedisRateLimiter(new RedisBuckets(redis, createBreakers()), scope, { ratePerSecond: 0.5, burst: 10 });
  await limiter.take('alice');
  expect(await redis.keys(`parley:limit:${scope}:*`)).toHaveLength(1);

  await eventually(async () => expect(await redis.keys(`parley:limit:${scope}:*`)).toEqual([]));
});

it('the rate limiter asks both buckets of a request in one call', SHARED, async () => {
  const redis = await connected();
  const buckets = new RedisBuckets(redis, createBreakers());
  const perUser = new RedisRateLimiter(buckets, randomUUID(), limit);
  const global = new RedisRateLimiter(buckets, randomUUID(), { ratePerSecond: 50, burst: 20 });
  await perUser.take('warm-up');
  const calls = async () => Number(/^cmdstat_evalsha:calls=(\d+)/m.exec(await redis.info('commandstats'))?.[1]);
  const before = await calls();

  const verdicts = await Promise.all([perUser.take('alice'), global.take('all'), perUser.take('bob')]);

  expect(verdicts.map(({ limit: burst, remaining }) => [burst, remaining])).toEqual([
    [10, 9],
    [20, 19],
    [10, 9],
  ]);
  expect(await calls()).toBe(before + 1);
});

it('the rate limiter refuses no caller for longer than an empty bucket takes when the clock of Redis is set back', SHARED, async () => {
  const redis = await connected();
  const scope = randomUUID();
  const limiter = new RedisRateLimiter(new RedisBuckets(redis, createBreakers()), scope, { ratePerSecond: 5, burst: 2 });
  await limiter.take('alice');
  // What a clock that was an hour ahead has left behind.
  const [seconds] = await redis.time();
  await redis.set(`parley:limit:${scope}:alice`, `${Number(seconds) + 3_600}000000`, 'EX', 3_600);

  expect(await limiter.take('alice')).toMatchObject({ allowed: false, resetSeconds: 1 });
  await eventually(async () => expect((await limiter.take('alice')).allowed).toBe(true));
});

describe('a rate limiter whose Redis is late', () => {
  const behind = async (ms: number) => {
    const proxy = await FaultProxy.before(stack.redisUrl);
    late.push(proxy);
    const redis = connectRedis(proxy.through(stack.redisUrl), 'parley-test', () => undefined);
    connections.push(redis);
    await eventually(() => redis.ping());
    const limiter = new RedisRateLimiter(new RedisBuckets(redis, createBreakers()), randomUUID(), { ratePerSecond: 1_000, burst: 1_000 });
    await limiter.take('warm-up');
    await proxy.set({ kind: 'latency', ms: ms / 2 });
    return limiter;
  };
  const late: FaultProxy[] = [];
  afterEach(async () => {
    for (const proxy of late.splice(0)) await proxy.stop();
  });

  it.each([80, 120])('lets few requests wait, and none for long, when it is late by %d ms', async (ms) => {
    const limiter = await behind(ms);
    const waits: number[] = [];
    const policies: RateVerdict['policy'][] = [];
    for (let i = 0; i < 100; i += 1) {
      const { verdict, ms: waitedMs } = await timed(() => limiter.take('alice'));
      expect(verdict.allowed).toBe(true);
      policies.push(verdict.policy);
      waits.push(waitedMs);
    }

    // Five find out, for 50 ms each; the others know.
    expect(policies.filter((policy) => policy === 'local').length).toBeGreaterThanOrEqual(90);
    expect(waits.filter((wait) => wait > 30).length).toBeLessThanOrEqual(10);
    expect(Math.max(...waits)).toBeLessThan(1_500);
  });

  it('goes on counting together when Redis is late, but not too late', async () => {
    const limiter = await behind(20);

    const policies: RateVerdict['policy'][] = [];
    for (let i = 0; i < 10; i += 1) policies.push((await limiter.take('alice')).policy);

    // Not all: a busy machine makes a few of them later than 50 ms.
    expect(policies.filter((policy) => policy === 'shared').length).toBeGreaterThanOrEqual(5);
  });
});

describe('a rate limiter without Redis', () => {
  it('allows each worker of a pod its part of half the limit', async () => {
    await stack.redis.kill();
    const buckets = new RedisBuckets(connect(), createBreakers());
    const workers = Array.from({ length: 4 }, () => new RedisRateLimiter(buckets, 'user', { ratePerSecond: 0.01, burst: 40 }, 4));

    const verdicts = await Promise.all(workers.flatMap((worker) => Array.from({ length: 40 }, () => worker.take('alice'))));

    expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(20);
  });

  it('is stricter, not open, when Redis was never there', async () => {
    await stack.redis.kill();
    const limiter = limiterOn(connect());

    const verdicts = await Promise.all(Array.from({ length: 20 }, () => limiter.take('alice')));

    expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(5);
    expect(verdicts[0]).toMatchObject({ policy: 'local', limit: 5 });
  });

  it('goes on alone when Redis is killed, and together when it is back', async () => {
    const breakers = createBreakers();
    const limiter = limiterOn(await connected(), limit, breakers);
    expect(await limiter.take('alice')).toMatchObject({ allowed: true, policy: 'shared' });

    await stack.redis.kill();
    for (let time = 0; time < 10; time += 1) expect((await limiter.take(`user-${time}`)).policy).toBe('local');
    expect(breakers.stateOf('redis')).toBe('open');

    await stack.redis.start();
    await eventually(async () => expect((await limiter.take(randomUUID())).policy).toBe('shared'), {
      timeoutMs: 12_000,
      what: 'healing within 12 s (law 3)',
    });
  });

  it('answers within 50 ms when Redis hangs, and at once when that is known', async () => {
    const limiter = limiterOn(await connected());
    await limiter.take('alice');
    await stack.redis.pause();

    const takes = [];
    for (let time = 0; time < 10; time += 1) takes.push(await timed(() => limiter.take('alice')));
    // The quickest of five: a busy machine adds to each of them, the limit of a call (150 ms) would be in all.
    const [first, later] = [takes.slice(0, 5), takes.slice(5)].map((some) => Math.min(...some.map(({ ms }) => ms)));

    expect(first).toBeLessThan(140);
    expect(later).toBeLessThan(20);
    expect(new Set(takes.map(({ verdict }) => verdict.policy))).toEqual(new Set(['local']));
  });

  it('shares the count again when Redis stops hanging', async () => {
    const limiter = limiterOn(await connected());
    await limiter.take('alice');
    await stack.redis.pause();
    await limiter.take('alice');
    await stack.redis.resume();

    await eventually(async () => expect((await limiter.take(randomUUID())).policy).toBe('shared'), { timeoutMs: 12_000 });
  });
});

const timed = async <T>(act: () => Promise<T>): Promise<{ verdict: T; ms: number }> => {
  const startedAt = performance.now();
  const verdict = await act();
  return { verdict, ms: performance.now() - startedAt };
};
