import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type PrivateStack, startPrivateStack } from '#lib/devstack/private-stack';
import { eventually } from '#lib/testing/eventually';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { SocketClient } from '#lib/testing/socket-client';

// ADR 24: signals may be lost with Redis, messages may not. Each member's socket stays open through the fault and has 1, 2, 3, ... at its end.

/** Sockets are fed from Postgres every 2 s when there is no subscription, and 5 s pass until a silent Redis is known; the rest is for a busy machine. */
const LATEST_MS = 20_000;
/** Lease, grace and a heartbeat of presence are 13 s together (redis-presence.ts). */
const OFFLINE_WITHIN_MS = 25_000;

// A Redis of its own: it is frozen and killed here.
let redis: PrivateStack;
let proxy: FaultProxy;
let parley: RunningParley;
beforeAll(async () => {
  redis = await startPrivateStack({ only: ['redis'] });
  proxy = await FaultProxy.before(redis.redisUrl);
  parley = await startParley({
    stack: { ...inject('stack'), redisUrl: redis.redisUrl },
    via: { REDIS_URL: (url) => proxy.through(url) },
    twice: { realtime: {} },
  });
});
afterAll(async () => {
  await parley?.stop();
  await proxy?.stop();
  await redis?.stop();
});

const first = () => parley.realtime.url;
const second = () => parley.seconds.realtime?.url ?? '';

/** A member with an open socket, and how late the latest of its messages came. */
const member = async (user: string, url: string) => {
  const socket = await SocketClient.connect(url, await parley.tokenOf({ user, scopes: [] }));
  const seen = { socket, latestMs: 0 };
  socket.socket.on('message', () => {
    const frame = socket.frames.at(-1);
    if (frame?.type === 'message.created') seen.latestMs = Math.max(seen.latestMs, Date.now() - Date.parse(frame.message.createdAt));
  });
  return seen;
};

interface Item {
  readonly online: boolean;
  readonly lastSeenAt: string | null;
}
const presenceOf = async (user: string, other: string) => {
  const { status, body } = await (await parley.client(user)).request('GET', `/v1/presence?userIds=${other}`);
  return { status, item: status === 200 ? (body as { items: Item[] }).items[0] : undefined };
};

it.each<[string, () => Promise<void>]>([
  [
    'Redis is killed and comes back empty',
    async () => {
      await redis.redis.kill();
      expect((await presenceOf('alice', 'bob')).status).toBe(503);
      await pause(3_000); // the time without Redis
      await redis.redis.start();
    },
  ],
  [
    'nothing reaches Redis for 7 s',
    async () => {
      await proxy.set({ kind: 'hang' });
      await pause(7_000);
      await proxy.heal();
    },
  ],
  [
    'Redis pauses its clients for 6 s',
    async () => {
      const admin = new Redis(redis.redisUrl);
      await admin.client('PAUSE', 6_000);
      await admin.ping();
      admin.disconnect();
    },
  ],
])('every member on two processes has every message once and in order when %s', async (_, fault) => {
  const alice = await parley.client('alice');
  const { id } = await alice.createConversation({ memberIds: ['bob', 'carol'] });
  const members = [
    await member('bob', first()),
    await member('bob', second()),
    await member('carol', second()),
    await member('alice', first()),
  ];
  const enough = new AbortController();
  const sending = (async () => {
    let sent = 0;
    for (; !enough.signal.aborted; sent += 1) {
      await alice.send(id, `message ${sent + 1}`);
      await pause(20); // the rate of the sender
    }
    return sent;
  })();
  await members[2]?.socket.waitFor(() => (members[2]?.socket.seqsOf(id).length ?? 0) >= 20);

  await fault();
  await eventually(async () => expect((await presenceOf('alice', 'carol')).item?.online).toBe(true), {
    what: 'presence is there again',
    timeoutMs: 30_000,
  });
  await pause(1_000); // sends go on for a moment after it
  enough.abort();
  const count = await sending;

  expect(count).toBeGreaterThan(30); // 20 of them before the fault
  for (const { socket } of members) {
    await socket.waitFor(() => socket.seqsOf(id).length >= count, { timeoutMs: LATEST_MS, what: `all ${count} messages` });
    expect(socket.seqsOf(id)).toEqual(Array.from({ length: count }, (__, i) => i + 1));
    expect(socket.isClosed).toBe(false);
  }
  for (const { latestMs } of members) expect(latestMs).toBeLessThan(LATEST_MS);
  await eventually(async () => expect((await alice.messages(id)).items.at(-1)?.pipeline.delivery).toBe('done'));
  for (const { socket } of members) socket.socket.terminate();
});

it('the members of a conversation learn once that a user is offline whose process was killed, and when it was last seen', async () => {
  const alice = await parley.client('alice');
  await alice.createConversation({ memberIds: ['erin', 'frank'] });
  const watcher = (await member('alice', first())).socket;
  const leaver = (await member('frank', first())).socket;
  await member('erin', second());
  const told = (user: string) => watcher.all('presence').flatMap(({ userId, online }) => (userId === user ? [online] : []));
  await eventually(() => expect(told('erin')).toEqual([true]));

  await parley.seconds.realtime?.kill();
  const killedAt = Date.now();
  leaver.socket.close();
  await watcher.frame('presence', ({ userId, online }) => userId === 'erin' && !online, OFFLINE_WITHIN_MS);

  const { item } = await presenceOf('alice', 'erin');
  expect(item?.online).toBe(false);
  expect(Math.abs(Date.parse(item?.lastSeenAt ?? '') - killedAt)).toBeLessThan(6_000); // its last heartbeat, one a second; the lease would be 10 s
  expect((await presenceOf('mallory', 'erin')).item).toEqual({ userId: 'erin', online: false, lastSeenAt: null });
  expect(told('erin')).toEqual([true, false]);
  expect(told('frank').at(-1)).toBe(false);
});
