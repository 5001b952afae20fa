import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type PrivateStack, startPrivateStack } from '#lib/devstack/private-stack';
import { eventually } from '#lib/testing/eventually';
import { sharedBudgetContract } from '../limit/shared-budget.contract.js';
import { createBreakers } from './opossum-breaker.js';
import { connectRedis } from './redis-connection.js';
import { RedisSharedBudget } from './redis-shared-budget.js';

// A Redis of its own: it is killed here.
let stack: PrivateStack;
const connections: Redis[] = [];
const connected = async (): Promise<Redis> => {
  const redis = connectRedis(stack.redisUrl, 'parley-test', () => undefined);
  connections.push(redis);
  await eventually(() => redis.ping());
  return redis;
};

beforeAll(async () => {
  stack = await startPrivateStack({ only: ['redis'] });
});
afterAll(() => stack.stop());

// An answer of Redis that is later than 150 ms is not waited for, and the numbers are of one moment: hardly three times in a row too late.
describe('a budget in Redis', { retry: 2 }, () => {
  let shared: Redis;
  beforeAll(async () => {
    shared = connectRedis(stack.redisUrl, 'parley-test', () => undefined);
    await eventually(() => shared.ping());
  });
  afterAll(() => shared.disconnect());

  sharedBudgetContract('RedisSharedBudget', (perMinute) => new RedisSharedBudget(shared, createBreakers(), randomUUID(), perMinute));
});

describe('a budget of several processes', () => {
  afterEach(() => {
    for (const redis of connections.splice(0)) redis.disconnect();
  });

  it('is one budget: what one takes the other lacks, and a 429 that one meets slows the other down', async () => {
    const name = randomUUID();
    const [one, other] = [await connected(), await connected()].map((redis) => new RedisSharedBudget(redis, createBreakers(), name, 30));
    let granted = 0;
    for (let i = 0; i < 10; i += 1) {
      for (const each of [one, other]) if ((await each?.take({ caller: `user-${i}`, lane: 'interactive' }))?.granted) granted += 1;
    }
    expect(granted).toBe(6);
    await one?.slowDown();
    await other?.take({ caller: 'carol', lane: 'interactive' });
    expect(other?.perMinute).toBeLessThan(16);
  });

  it('is local and stricter while Redis is out, and shared again when it is back', async () => {
    const breakers = createBreakers();
    const budget = new RedisSharedBudget(await connected(), breakers, randomUUID(), 30);
    expect((await budget.take({ caller: 'alice', lane: 'interactive' })).granted).toBe(true);
    await stack.redis.kill();
    let granted = 0;
    for (let i = 0; i < 10; i += 1) if ((await budget.take({ caller: `user-${i}`, lane: 'interactive' })).granted) granted += 1;
    expect(granted).toBe(3); // half of 30 a minute, a fifth of it at once
    expect(breakers.stateOf('redis')).toBe('open');
    await stack.redis.start();
    await eventually(
      async () => {
        await budget.take({ caller: randomUUID(), lane: 'interactive' });
        expect(breakers.stateOf('redis')).toBe('closed');
      },
      { timeoutMs: 14_000 },
    );
  });
});
