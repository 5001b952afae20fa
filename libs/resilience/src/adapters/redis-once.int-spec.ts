import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PrivateStack, startPrivateStack } from '#lib/devstack/private-stack';
import { eventually } from '#lib/testing/eventually';
import { onceContract } from '../once/once.contract.js';
import { createBreakers } from './opossum-breaker.js';
import { connectRedis } from './redis-connection.js';
import { RedisOnce } from './redis-once.js';

// A Redis of its own: it is killed here.
let stack: PrivateStack;
const connections: Redis[] = [];
beforeAll(async () => {
  stack = await startPrivateStack({ only: ['redis'] });
});
afterAll(async () => {
  for (const redis of connections) redis.disconnect();
  await stack.stop();
});
const aProcess = async (): Promise<RedisOnce> => {
  const redis = connectRedis(stack.redisUrl, 'parley-test', () => undefined);
  connections.push(redis);
  await eventually(() => redis.ping());
  return new RedisOnce(redis, createBreakers());
};

onceContract('RedisOnce', async () => {
  await connections[0]?.flushall();
  return [await aProcess(), await aProcess()];
});

it('goes on without Redis, each process for itself, and repeats nothing that it took or saw taken', async () => {
  const [one, other] = [await aProcess(), await aProcess()];
  expect([await one.take('before', 60_000), await other.take('before', 60_000)]).toEqual([true, false]);
  await stack.stop();
  const taken = [];
  for (const each of [one, other, one, other]) taken.push(await each.take('before', 60_000));
  expect(taken).toEqual([false, false, false, false]);
  for (const each of [one, other, one, other]) taken.push(await each.take('during', 60_000));
  expect(taken.slice(4)).toEqual([true, true, false, false]);
});
