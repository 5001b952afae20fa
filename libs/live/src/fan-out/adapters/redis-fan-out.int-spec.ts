import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { ConversationSignal } from '#lib/contracts/live';
import { type PrivateStack, startPrivateStack } from '#lib/devstack/private-stack';
import { connectRedis } from '#lib/resilience/adapters/redis-connection';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import type { DependencyError } from '#lib/resilience/call/errors';
import { createLogger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { eventually } from '#lib/testing/eventually';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { Heard } from '#lib/testing/heard-signals';
import { fanOutContract } from '../fan-out.contract.js';
import type { SubscriptionPort } from '../subscription.port.js';
import { conversationChannel } from './redis-channels.js';
import { RedisFanOut } from './redis-fan-out.js';
import { RedisSubscription, SUBSCRIBER } from './redis-subscription.js';

// A Redis of its own: it is frozen and killed here.
let stack: PrivateStack;
let admin: Redis;
let fanOut: RedisFanOut;
const endings: (() => void | Promise<void>)[] = [];

const subscribe = (url = stack.redisUrl) => {
  const redis = connectRedis(url, 'parley-test-subscriber', () => undefined, SUBSCRIBER);
  const subscription = new RedisSubscription(redis, createLogger('test', 'silent'));
  endings.push(() => subscription.stop());
  return { redis, subscription };
};
const follower = async (conversationIds: readonly string[], url?: string) => {
  const { redis, subscription } = subscribe(url);
  const heard = new Heard();
  subscription.listen(heard);
  await isLive(subscription);
  await subscription.follow({ conversations: conversationIds });
  return { redis, subscription, heard };
};
const isLive = (subscription: SubscriptionPort, timeoutMs = 12_000) =>
  eventually(() => expect(subscription.isLive).toBe(true), { timeoutMs, everyMs: 5, what: 'a live subscription' });
const typing = (userId: string): ConversationSignal => ({ type: 'typing', userId });
/** Publishes until Redis takes it: the breaker may be open. */
const publish = (conversationId: string, userId: string) =>
  eventually(() => fanOut.publish([{ conversationId, signals: [typing(userId)] }]), { timeoutMs: 12_000 });

/** What Redis answers after CLIENT PAUSE is over; it takes no command before. */
const untilUnpaused = async () => void (await eventually(() => admin.ping(), { timeoutMs: 20_000 }));

beforeAll(async () => {
  stack = await startPrivateStack({ only: ['redis'] });
});
afterAll(() => stack.stop());

// A publish that takes longer than 250 ms is refused: on a busy machine any test may meet one, hardly three in a row.
describe('Redis', { retry: 2 }, () => {
  const ended: (() => void)[] = [];
  fanOutContract('RedisFanOut', async () => {
    const redis = connectRedis(stack.redisUrl, 'parley-test', () => undefined);
    ended.push(() => redis.disconnect());
    await eventually(() => redis.ping());
    return {
      fanOut: new RedisFanOut(redis, createBreakers()),
      subscribe: async () => {
        const own = connectRedis(stack.redisUrl, 'parley-test-subscriber', () => undefined, SUBSCRIBER);
        const subscription = new RedisSubscription(own, createLogger('test', 'silent'));
        ended.push(() => subscription.stop());
        return subscription;
      },
      stop: async () => ended.forEach((end) => end()),
    };
  });
});

describe('fan-out through Redis', () => {
  beforeAll(async () => {
    admin = connectRedis(stack.redisUrl, 'parley-test-admin', () => undefined);
    const redis = connectRedis(stack.redisUrl, 'parley-test', () => undefined);
    fanOut = new RedisFanOut(redis, createBreakers());
    await eventually(() => Promise.all([admin.ping(), redis.ping()]));
    return () => {
      admin.disconnect();
      redis.disconnect();
    };
  });
  afterEach(async () => {
    for (const end of endings.splice(0)) await end();
    await stack.redis.resume();
    await stack.redis.start();
  });

  it('takes more than fits in one pipeline, in order', async () => {
    const conversationId = newId();
    const { heard } = await follower([conversationId]);
    const frame = 'x'.repeat(60_000);
    const signals = Array.from(
      { length: 50 },
      (_, i): ConversationSignal => ({
        type: 'message',
        change: 'created',
        messageId: newId(),
        seq: i + 1,
        version: 1,
        membersVersion: 0,
        atMs: 1,
        frame,
      }),
    );

    await fanOut.publish([{ conversationId, signals }]);

    await eventually(() => expect(heard.ofConversation(conversationId)).toHaveLength(50));
    expect(heard.ofConversation(conversationId)).toEqual(signals);
  });

  it('drops and counts what it cannot read, and goes on', async () => {
    const conversationId = newId();
    const { heard } = await follower([conversationId]);
    const dropped = async () => (await metrics.liveSignalsDropped.get()).values[0]?.value ?? 0;
    const before = await dropped();
    const forged = [
      '',
      '{',
      'null',
      '{"type":"typing"}',
      '[1,null,{"type":"unknown"},{"type":"typing","userId":"two words"}]',
      '['.repeat(100_000),
    ];

    for (const text of [...forged, `[${'0,'.repeat(2_500_000)}0]`]) await admin.spublish(conversationChannel(conversationId), text);
    await admin.spublish('parley:live:unknown:{x}', '[]');
    await admin.spublish(conversationChannel(conversationId), JSON.stringify([{ type: 'newer' }, { ...typing('alice'), more: 1 }]));

    await eventually(() => expect(heard.ofConversation(conversationId)).toEqual([typing('alice')]));
    expect((await dropped()) - before).toBe(6 - 1 + 4 + 1 + 1);
  });

  it('refuses within the limit of its time while Redis is frozen, then at once, and sends again within 2 s of its return', async () => {
    const conversationId = newId();
    const { heard } = await follower([conversationId]);
    await stack.redis.pause();

    const kinds: unknown[] = [];
    // Five are enough, but for those in which this process stood still itself.
    while (kinds.at(-1) !== 'open' && kinds.length < 20) {
      const startedAt = performance.now();
      await fanOut.publish([{ conversationId, signals: [typing('lost')] }]).catch(({ kind }: DependencyError) => kinds.push(kind));
      expect(performance.now() - startedAt).toBeLessThan(2_000); // 250 ms, on a machine of our own
    }
    expect([kinds.slice(0, 5), kinds.at(-1)]).toEqual([Array.from({ length: 5 }, () => 'timeout'), 'open']);
    await stack.redis.resume();
    const startedAt = performance.now();
    await publish(conversationId, 'alice');

    expect(performance.now() - startedAt).toBeLessThan(7_000); // with the reset time of other breakers it takes 8 s at the least
    await eventually(() => expect(heard.ofConversation(conversationId)).toContainEqual(typing('alice')));
  });

  it.each([
    ['Redis is killed and started again', async () => (await stack.redis.kill(), stack.redis.start())],
    ['Redis ends all its subscribers', async () => void (await admin.client('KILL', 'TYPE', 'PUBSUB'))],
  ])('says that the subscription is lost, and follows everything again, when %s', async (_, fail) => {
    const conversations = Array.from({ length: 1_200 }, () => newId());
    const { subscription, heard } = await follower(conversations);
    const [first = ''] = conversations;

    await fail();
    await eventually(() => expect(heard.lostCount).toBe(1));
    await isLive(subscription);

    expect(heard.restoredCount).toBe(2);
    await eventually(() => admin.ping());
    await eventually(() => fanOut.publish(conversations.map((conversationId) => ({ conversationId, signals: [typing('alice')] }))));
    await eventually(() => expect(heard.conversations.size).toBe(1_200));
    expect(heard.ofConversation(first)).toEqual([typing('alice')]);
  });

  it.each([
    ['nothing comes through the network', async (proxy: FaultProxy) => proxy.set({ kind: 'hang' }), (proxy: FaultProxy) => proxy.heal()],
    ['Redis is stopped (SIGSTOP)', () => stack.redis.pause(), () => stack.redis.resume()],
    ['Redis pauses its clients', async () => void (await admin.client('PAUSE', 9_000)), untilUnpaused],
  ])('finds out within seconds that the connection is dead, and is back within seconds of its end, when %s', async (_, fail, heal) => {
    const conversationId = newId();
    const proxy = await FaultProxy.before(stack.redisUrl);
    endings.push(() => proxy.stop());
    const { subscription, heard } = await follower([conversationId], proxy.through(stack.redisUrl));

    await fail(proxy);
    await eventually(() => expect(heard.lostCount).toBe(1), { timeoutMs: 8_500 }); // 5 s, on a machine of our own
    const late = newId();
    await subscription.follow({ conversations: [late] });
    expect(subscription.isLive).toBe(false);
    await heal(proxy);
    const healedAt = performance.now();
    await isLive(subscription);

    expect(performance.now() - healedAt).toBeLessThan(10_000); // 3 s; law 3 says 12
    await eventually(() => admin.ping());
    await publish(late, 'alice');
    await publish(conversationId, 'bob');
    await eventually(() =>
      expect([heard.ofConversation(late), heard.ofConversation(conversationId)]).toEqual([[typing('alice')], [typing('bob')]]),
    );
    expect([heard.lostCount, heard.restoredCount]).toEqual([1, 2]);
  });

  it('is told when Redis cuts it off because it reads too slowly', async () => {
    const conversationId = newId();
    const { redis, subscription, heard } = await follower([conversationId]);
    await admin.config('SET', 'client-output-buffer-limit', 'pubsub 1mb 0 0');

    redis.stream.pause();
    const text = JSON.stringify([typing('a'.repeat(60))]).padEnd(500_000);
    await eventually(async () => expect(await admin.spublish(conversationChannel(conversationId), text)).toBe(0), { everyMs: 0 });
    redis.stream.resume();

    await eventually(() => expect(heard.lostCount).toBe(1));
    await isLive(subscription);
    await publish(conversationId, 'alice');
    await eventually(() => expect(heard.ofConversation(conversationId)).toContainEqual(typing('alice')));
  });

  it('takes no harm from a loop of its own that stands still for longer than a pong may take', async () => {
    const conversationId = newId();
    const { subscription, heard } = await follower([conversationId]);
    const pings = async () => Number(/^cmdstat_ping:calls=(\d+)/m.exec(await admin.info('commandstats'))?.[1] ?? 0);
    const before = await pings();

    await eventually(async () => expect(await pings()).toBeGreaterThan(before), { everyMs: 1, timeoutMs: 4_000 });
    const until = performance.now() + 2_500;
    while (performance.now() < until);
    await publish(conversationId, 'alice');

    await eventually(() => expect(heard.ofConversation(conversationId)).toEqual([typing('alice')]));
    expect([subscription.isLive, heard.lostCount]).toEqual([true, 0]);
  });

  it('is not live and tries again while Redis refuses to subscribe', async () => {
    await admin.call('ACL', 'SETUSER', 'narrow', 'on', '>narrow', '~*', '+@all', 'resetchannels', '&parley:live:user:*');
    const url = new URL(stack.redisUrl);
    [url.username, url.password] = ['narrow', 'narrow'];
    const conversationId = newId();
    const { subscription } = subscribe(url.href);
    const heard = new Heard();
    subscription.listen(heard);
    await subscription.follow({ conversations: [conversationId] });
    await eventually(async () => expect(await admin.client('LIST')).toContain('user=narrow'));
    expect(subscription.isLive).toBe(false);

    await admin.call('ACL', 'SETUSER', 'narrow', 'allchannels');

    await isLive(subscription);
    await publish(conversationId, 'alice');
    await eventually(() => expect(heard.ofConversation(conversationId)).toEqual([typing('alice')]));
  });

  it('follows 20,000 topics, and all of them again soon after the loss of its connection', async () => {
    const conversations = Array.from({ length: 20_000 }, () => newId());
    const { subscription, heard } = await follower(conversations);
    const followedAt = performance.now();

    await admin.client('KILL', 'TYPE', 'PUBSUB');
    await eventually(() => expect(heard.lostCount).toBe(1), { everyMs: 1 });
    await isLive(subscription);

    expect(performance.now() - followedAt).toBeLessThan(9_000); // under one, on a machine of our own
    expect(await admin.pubsub('SHARDNUMSUB', conversationChannel(conversations[19_999] ?? ''))).toEqual([expect.anything(), 1]);
  });
});
