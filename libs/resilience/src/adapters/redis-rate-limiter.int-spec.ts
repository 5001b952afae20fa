import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { type PrivateStack, startPrivateStack } from '#lib/testing/private-stack';
import type { Breakers } from '../breakers.js';
import { rateLimiterContract } from '../rate-limiter.contract.js';
import type { RateLimit } from '../rate-limiter.port.js';
import { createBreakers } from './opossum-breaker.js';
import { connectRedis } from './redis-connection.js';
import { RedisRateLimiter } from './redis-rate-limiter.js';

const limit = { ratePerSecond: 5, burst: 10 };

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
  new RedisRateLimiter(redis, breakers, randomUUID(), of);

const connected = async (): Promise<Redis> => {
  const redis = connect();
  await eventually(() => redis.ping());
  return redis;
};

describe('with Redis', () => {
  let shared: Redis;
  beforeAll(async () => {
    shared = connectRedis(stack.redisUrl, 'parley-test', () => undefined);
    await eventually(() => shared.ping());
  });
  afterAll(() => shared.disconnect());

  rateLimiterContract('shared', (of) => limiterOn(shared, of));
});

it('counts over all processes together', async () => {
  const scope = randomUUID();
  const processes = [await connected(), await connected()].map((redis) => new RedisRateLimiter(redis, createBreakers(), scope, limit));

  const verdicts = await Promise.all(processes.flatMap((limiter) => Array.from({ length: 15 }, () => limiter.take('alice'))));

  expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(10);
});

it('leaves nothing in Redis once the quota is whole again', async () => {
  const redis = await connected();
  const scope = randomUUID();
  const limiter = new RedisRateLimiter(redis, createBreakers(), scope, { ratePerSecond: 5, burst: 10 });
  await limiter.take('alice');
  expect(await redis.keys(`parley:limit:${scope}:*`)).toHaveLength(1);

  await eventually(async () => expect(await redis.keys(`parley:limit:${scope}:*`)).toEqual([]));
});

describe('without Redis', () => {
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

  it('answers within 150 ms when Redis hangs, and at once when that is known', async () => {
    const limiter = limiterOn(await connected());
    await limiter.take('alice');
    await stack.redis.pause();

    const first = await timed(() => limiter.take('alice'));
    for (let time = 0; time < 4; time += 1) await limiter.take('alice');
    const later = await timed(() => limiter.take('alice'));

    expect(first.ms).toBeLessThan(250);
    expect(first.verdict.policy).toBe('local');
    expect(later.ms).toBeLessThan(20);
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
