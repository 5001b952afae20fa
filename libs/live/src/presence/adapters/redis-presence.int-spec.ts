import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type PrivateStack, startPrivateStack } from '#lib/devstack/private-stack';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { connectRedis } from '#lib/resilience/adapters/redis-connection';
import { eventually } from '#lib/testing/eventually';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { presenceContract } from '../presence.contract.js';
import { ABSENT_MS } from '../presence.port.js';
import { LEASE, type LeaseTimes, RedisPresence } from './redis-presence.js';

/** A fifth of the real times: tests wait for leases to end. */
const QUICK: LeaseTimes = { beatMs: 200, countMs: 600, leaseMs: 1_500, graceMs: 300 };

// A Redis of its own: it is frozen, emptied and killed here.
let stack: PrivateStack;
let admin: Redis;
let prefix = '';
const endings: (() => void | Promise<void>)[] = [];

/** Presence as in a process of its own, and what it tells. */
const startProcess = async ({ times = QUICK, url = stack.redisUrl }: { times?: LeaseTimes; url?: string } = {}) => {
  const redis = connectRedis(url, 'parley-test', () => undefined);
  await eventually(() => redis.ping());
  const presence = new RedisPresence(redis, createBreakers(), times, prefix);
  const told: string[] = [];
  presence.onChange((changes) => told.push(...changes.map(({ userId, online }) => `${userId} ${online ? 'on' : 'off'}`)));
  await eventually(async () => expect(await admin.zcard(`${prefix}:processes`)).toBeGreaterThan(started));
  await redis.ping(); // comes back after the answer to the registration
  started += 1;
  endings.push(async () => {
    await presence.stop();
    redis.disconnect();
  });
  // As kill -9 does: the lease stays, and ends.
  return { presence, told, redis, kill: () => redis.disconnect() };
};
let started = 0;

type Process = Awaited<ReturnType<typeof startProcess>>;
const isOnline = async ({ presence }: Process, userId: string) => (await presence.of([userId])).get(userId)?.online;
const timed = async <T>(work: () => Promise<T>) => {
  const startedAt = performance.now();
  return { result: await work(), ms: performance.now() - startedAt };
};

beforeAll(async () => {
  stack = await startPrivateStack({ only: ['redis'] });
  admin = connectRedis(stack.redisUrl, 'parley-test-admin', () => undefined);
  await eventually(() => admin.ping());
});
beforeEach(() => {
  prefix = `test:${randomUUID()}`;
  started = 0;
});
afterEach(async () => {
  await stack.redis.resume();
  await stack.redis.start();
  await Promise.all(endings.splice(0).map(async (end) => end()));
});
afterAll(async () => {
  admin.disconnect();
  await stack.stop();
});

// An answer of Redis that is later than 250 ms is not waited for: on a busy machine any test of a count may meet one, hardly three in a row.
describe('Redis', { retry: 2 }, () => {
  presenceContract('RedisPresence', async () => {
    const redis = connectRedis(stack.redisUrl, 'parley-test', () => undefined);
    await eventually(() => redis.ping());
    const presence = new RedisPresence(redis, createBreakers(), QUICK, `test:${randomUUID()}`);
    return { presence, stop: async () => (await presence.stop(), redis.disconnect()) };
  });
});

describe('presence of several processes', () => {
  it('counts the sessions of a user on all of them, and gives each that enters its own place', { retry: 2 }, async () => {
    const [one, two] = [await startProcess(), await startProcess()];

    const counts = await Promise.all(Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? one : two).presence.enter('alice', `s${i}`)));

    expect(counts.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  it('tells one of them that a user came, and one that it is gone from all', async () => {
    const [one, two, three] = [await startProcess(), await startProcess(), await startProcess()];

    await Promise.all([one.presence.enter('alice', 's1'), two.presence.enter('alice', 's2')]);
    await one.presence.leave('alice', 's1');
    await one.presence.enter('bob', 'b1');
    await eventually(async () => expect(await admin.hlen(`${prefix}:user:alice`)).toBe(1));
    expect(await isOnline(three, 'alice')).toBe(true);
    await two.presence.leave('alice', 's2');

    await eventually(async () => expect(await isOnline(three, 'alice')).toBe(false));
    const told = [...one.told, ...two.told, ...three.told];
    expect(told.toSorted()).toEqual(['alice off', 'alice on', 'bob on']);
  });

  it('neither tells nor counts anything of a user that moves to another one', async () => {
    const [one, two] = [await startProcess(), await startProcess()];
    for (let i = 0; i < 10; i += 1) await one.presence.enter('alice', `s${i}`);

    for (let i = 0; i < 10; i += 1) await one.presence.leave('alice', `s${i}`);
    await eventually(async () => expect(await admin.hvals(`${prefix}:user:alice`)).toEqual(['0']));
    expect(await two.presence.enter('alice', 'new')).toBe(1);
    await eventually(async () => expect(await admin.hlen(`${prefix}:user:alice`)).toBe(1));

    expect([one.told, two.told]).toEqual([['alice on'], []]);
  });

  it('takes the users of a dead one for offline, and one of the living announces each once', async () => {
    const [dead, ...living] = [await startProcess(), await startProcess(), await startProcess(), await startProcess()];
    const users = Array.from({ length: 1_200 }, (_, i) => `user-${i}`);
    await Promise.all(users.map((userId) => dead.presence.enter(userId, 's')));
    await living[0].presence.enter('user-7', 'elsewhere');
    const beforeMs = Date.now();

    dead.kill();

    const told = () => living.flatMap((process) => process.told);
    await eventually(() => expect(told()).toHaveLength(1_199));
    expect(Date.now() - beforeMs).toBeLessThan(QUICK.leaseMs + QUICK.graceMs + QUICK.beatMs + 5_000);
    expect(told().toSorted()).toEqual(
      users
        .filter((userId) => userId !== 'user-7')
        .map((userId) => `${userId} off`)
        .toSorted(),
    );
    const known = await living[1].presence.of(['user-1', 'user-7']);
    expect(known.get('user-7')).toEqual({ online: true, lastSeenAt: null });
    expect(known.get('user-1')?.online).toBe(false);
    expect(Math.abs((known.get('user-1')?.lastSeenAt?.getTime() ?? 0) - beforeMs)).toBeLessThan(QUICK.leaseMs);
    await eventually(async () => expect(await admin.keys(`${prefix}:users:*`)).toHaveLength(1));
  });

  it('counts the sessions of one that was killed no longer, well before it takes their users for offline', async () => {
    const times = { ...QUICK, leaseMs: 10_000 };
    const [dead, living] = [await startProcess({ times }), await startProcess({ times })];
    for (let i = 0; i < 10; i += 1) await dead.presence.enter('alice', `s${i}`);
    expect(await living.presence.enter('alice', 'eleventh')).toBe(11);

    dead.kill();

    const again = async () => {
      await living.presence.leave('alice', 'again');
      expect(await living.presence.enter('alice', 'again')).toBe(2);
    };
    await eventually(again, { timeoutMs: 5_000 });
    expect(await admin.hlen(`${prefix}:user:alice`)).toBe(2);
  });

  it('takes the users of a dead one for offline within 15 s with the times of production', async () => {
    const [dead, living] = [await startProcess({ times: LEASE }), await startProcess({ times: LEASE })];
    await dead.presence.enter('alice', 's');

    dead.kill();
    const { ms } = await timed(() => eventually(() => expect(living.told).toEqual(['alice off']), { timeoutMs: 16_000 }));

    expect(ms).toBeLessThan(15_300);
  });

  it('hands the users of one that stops to those that live: who comes back elsewhere has not changed', async () => {
    const [leaving, staying] = [await startProcess(), await startProcess()];
    await Promise.all(['alice', 'bob'].map((userId) => leaving.presence.enter(userId, 's')));
    await Promise.all(['alice', 'bob'].map((userId) => leaving.presence.leave(userId, 's')));

    await leaving.presence.stop();
    await staying.presence.enter('alice', 's');

    await eventually(() => expect(staying.told).toEqual(['bob off']));
    expect(await isOnline(staying, 'alice')).toBe(true);
  });

  it('takes back users that were taken for dead while their process stood still', async () => {
    const proxy = await FaultProxy.before(stack.redisUrl);
    endings.push(() => proxy.stop());
    const [still, living] = [await startProcess({ url: proxy.through(stack.redisUrl) }), await startProcess()];
    await still.presence.enter('alice', 's');

    await proxy.set({ kind: 'hang' });
    await eventually(() => expect(living.told).toEqual(['alice off']));
    await proxy.heal();

    await eventually(() => expect(still.told).toEqual(['alice on', 'alice on']));
    expect(await isOnline(living, 'alice')).toBe(true);
  });
});

describe('presence without Redis', () => {
  it('counts the sessions of this process at once when Redis is gone, and never rejects', async () => {
    const process = await startProcess();
    await process.presence.enter('alice', 's1');
    await stack.redis.kill();
    await eventually(() => expect(process.redis.status).not.toBe('ready'));

    const rounds = [];
    for (const round of ['t', 'u', 'v'])
      rounds.push(await timed(() => Promise.all(Array.from({ length: 500 }, (_, i) => process.presence.enter('alice', `${round}${i}`)))));

    expect(rounds.map(({ result }) => Math.max(...result))).toEqual([501, 1_001, 1_501]);
    // The quickest: each would take the 250 ms of a call if one was made.
    expect(Math.min(...rounds.map(({ ms }) => ms))).toBeLessThan(250);
    await process.presence.leave('alice', 't1');
    await expect(process.presence.of(['alice'])).rejects.toMatchObject({ dependency: 'redis' });
  });

  it('holds a session up for at most 250 ms when Redis is frozen, and for nothing once that is known', async () => {
    const process = await startProcess();
    await stack.redis.pause();

    const waits: number[] = [];
    for (let i = 0; i < 12; i += 1) {
      const { result, ms } = await timed(() => process.presence.enter('alice', `s${i}`));
      expect(result).toBe(i + 1);
      waits.push(ms);
    }

    expect(Math.max(...waits)).toBeLessThan(2_000);
    expect(waits.filter((ms) => ms > 50).length).toBeLessThanOrEqual(8);
    await expect(process.presence.of(['alice'])).rejects.toMatchObject({ dependency: 'redis' });
    await stack.redis.resume();
    await eventually(async () => expect(await admin.hvals(`${prefix}:user:alice`)).toEqual(['12']));
    expect(await process.presence.enter('alice', 'last')).toBe(13);
  });

  it('is written again when Redis comes back empty, and only what changed meanwhile is news', async () => {
    const [one, two] = [await startProcess(), await startProcess()];
    const users = Array.from({ length: 1_100 }, (_, i) => `user-${i}`);
    await Promise.all(users.map((userId) => one.presence.enter(userId, 's')));
    await two.presence.enter('user-0', 's');
    await two.presence.enter('gone', 's');
    await eventually(() => expect(one.told).toHaveLength(1_100));
    for (const told of [one.told, two.told]) told.length = 0;

    await stack.redis.kill();
    await eventually(() => expect([one.redis.status, two.redis.status]).not.toContain('ready'));
    await two.presence.leave('gone', 's');
    await one.presence.enter('new', 's');
    await one.presence.enter('user-1', 'another');
    await pause(ABSENT_MS + 100); // by then the one that left counts as gone
    await stack.redis.start();

    await eventually(async () => expect(await admin.keys(`${prefix}:user:*`)).toHaveLength(1_101));
    await eventually(() => expect([one.told, two.told]).toEqual([['new on'], ['gone off']]));
    expect(await one.presence.enter('user-1', 'third')).toBe(3);
    expect(await one.presence.enter('user-0', 'second')).toBe(3);
  });

  it('tells no lie after Redis came back with what it knew long ago', async () => {
    const [one, two] = [await startProcess(), await startProcess()];
    await one.presence.enter('alice', 's');
    await one.presence.enter('bob', 's');
    const before = await Promise.all((await admin.keys(`${prefix}:*`)).map(async (key) => [key, await admin.dumpBuffer(key)] as const));
    await one.presence.leave('alice', 's');
    await eventually(() => expect(one.told).toContain('alice off'));
    await stack.redis.kill();
    await stack.redis.start();
    await eventually(() => admin.ping());
    for (const [key, value] of before) if (value !== null) await admin.restore(key, 0, value, 'REPLACE');

    await eventually(async () => expect([await isOnline(two, 'alice'), await isOnline(two, 'bob')]).toEqual([false, true]));
    await eventually(async () => expect(await admin.exists(`${prefix}:user:alice`)).toBe(0));
  });
});

describe('the cost of presence', () => {
  const calls = async (command: string) =>
    Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(await admin.info('commandstats'))?.[1] ?? 0);

  it('is a few scripts for a storm of 5,000 users, and the same heartbeat whether they are there or not', async () => {
    const process = await startProcess();
    /** Without the heartbeats, each of which is a script that sets one time. */
    const scripts = async () => (await calls('evalsha')) - (await calls('zadd'));
    const before = { scripts: await scripts(), hset: await calls('hset') };

    const { ms } = await timed(() => Promise.all(Array.from({ length: 5_000 }, (_, i) => process.presence.enter(`user-${i}`, 's'))));
    expect(ms).toBeLessThan(3_000);
    await eventually(async () => expect((await calls('hset')) - before.hset).toBe(5_000));
    expect((await scripts()) - before.scripts).toBeLessThan(10 + 5); // some may go twice: what is late is written again

    const [commands, beats] = [await calls('hgetall'), await calls('zadd')];
    await eventually(async () => expect(await calls('zadd')).toBeGreaterThan(beats + 3));
    expect(await calls('hgetall')).toBe(commands);
  });

  it('ends after 30 days for what is only remembered', async () => {
    const process = await startProcess();
    await process.presence.enter('alice', 's');
    await process.presence.leave('alice', 's');

    await eventually(async () => expect(await admin.exists(`${prefix}:user:alice`, `${prefix}:users:alice`)).toBe(0));

    expect(await admin.ttl(`${prefix}:seen:alice`)).toBeGreaterThan(30 * 86_400 - 60);
    expect(await admin.ttl(`${prefix}:seen:alice`)).toBeLessThanOrEqual(30 * 86_400);
  });
});
