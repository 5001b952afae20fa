import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { ResumePoint } from '#lib/contracts/socket';
import { eventually } from '#lib/testing/eventually';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { metricsOf } from '#lib/testing/metrics-of';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { SocketClient } from '#lib/testing/socket-client';

/** Presence lies in a Redis that other tests use too: users of this one have names that no other has. */
const run = newId().slice(-12);
const nameOf = (user: string) => `${user}-${run}`;
const upTo = (last: number, first = 1): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);

let redis: FaultProxy;
let parley: RunningParley;
let alice: ParleyClient;
let urls: { first: string; second: string };
beforeAll(async () => {
  const stack = inject('stack');
  // Only the second instance goes this way.
  redis = await FaultProxy.before(stack.redisUrl);
  parley = await startParley({ stack, twice: { realtime: { REDIS_URL: redis.through(stack.redisUrl) } } });
  alice = await parley.client(nameOf('alice'));
  urls = { first: parley.realtime.url, second: parley.seconds.realtime?.url ?? '' };
});
afterAll(async () => {
  await parley?.stop();
  await redis?.stop();
});

const open: SocketClient[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) socket.drop();
});

const connect = async (user: string, on: 'first' | 'second', resume?: ResumePoint[]): Promise<SocketClient> => {
  const token = await parley.tokenOf({ user: nameOf(user) });
  const socket = await SocketClient.connect(urls[on], token, resume === undefined ? {} : { resume });
  open.push(socket);
  return socket;
};
const talk = async (...users: string[]): Promise<string> => (await alice.createConversation({ memberIds: users.map(nameOf) })).id;
const sendMany = async (id: string, count: number) => {
  const contents = Array.from({ length: count }, (_, i) => `message ${i}`);
  for (let from = 0; from < count; from += 50) await Promise.all(contents.slice(from, from + 50).map((content) => alice.send(id, content)));
};
/** Waits until the socket has been sent exactly these messages, in this order. */
const has = async (socket: SocketClient, id: string, seqs: number[]): Promise<true> => {
  await eventually(() => expect(socket.seqsOf(id)).toEqual(seqs), { timeoutMs: 20_000 });
  return true;
};

describe('members on two instances', () => {
  it('see each message once and in order, sent over REST or a socket of the other instance', async () => {
    const id = await talk('bob');
    const [one, two] = [await connect('alice', 'first'), await connect('bob', 'second')];
    await alice.send(id, 'the first of all: queues are cold');
    await has(one, id, [1]);
    await has(two, id, [1]);
    const sentAt = performance.now();
    one.send({ type: 'send', ref: 'r1', conversationId: id, content: 'over the socket', clientMessageId: 'k1' });
    expect(await one.frame('ack')).toMatchObject({ ref: 'r1', seq: 2 });
    await two.frame('message.created', ({ seq }) => seq === 2);
    expect(performance.now() - sentAt).toBeLessThan(3_500); // not by the comparison of heads, every 4 s
    await sendMany(id, 100);
    await has(one, id, upTo(102));
    await has(two, id, upTo(102));
    expect(two.all('message.created')[1]?.message).toMatchObject({ senderId: nameOf('alice'), content: 'over the socket', version: 1 });
  });

  it('hear of edits and deletions, and a deleted message brings no text', async () => {
    const id = await talk('bob');
    const two = await connect('bob', 'second');
    const message = await alice.send(id, 'one');
    await two.frame('message.created');
    await alice.request('PATCH', `/v1/messages/${message.id}`, { content: 'two' });
    expect((await two.frame('message.edited')).message).toMatchObject({ id: message.id, content: 'two', version: 2 });
    await alice.request('DELETE', `/v1/messages/${message.id}`);
    expect((await two.frame('message.deleted')).message).toMatchObject({ id: message.id, content: '', deletedAt: expect.any(String) });
  });

  it('hear of receipts, which only rise, and the unread count of the list follows', async () => {
    const id = await talk('bob');
    const bob = await parley.client(nameOf('bob'));
    const one = await connect('alice', 'first');
    await sendMany(id, 5);
    const record = (receipt: object) => bob.request('PUT', `/v1/conversations/${id}/receipts`, receipt);
    await record({ deliveredSeq: 4, readSeq: 3 });
    await one.frame('receipt', ({ readSeq }) => readSeq === 3);
    await record({ readSeq: 1 });
    await record({ deliveredSeq: 99, readSeq: 5 });
    await one.frame('receipt', ({ readSeq }) => readSeq === 5);
    const receipts = one.all('receipt').filter((frame) => frame.conversationId === id);
    expect(receipts.map(({ deliveredSeq, readSeq }) => [deliveredSeq, readSeq])).toEqual([
      [4, 3],
      [5, 5],
    ]);
    const { items } = (await bob.request('GET', '/v1/conversations')).body as { items: { id: string; headSeq: number; readSeq: number }[] };
    expect(items.find((item) => item.id === id)).toMatchObject({ headSeq: 5, readSeq: 5 });
  });

  it('see each other typing and coming online', async () => {
    const id = await talk('eve');
    const one = await connect('alice', 'first');
    const two = await connect('eve', 'second');
    await one.frame('presence', ({ userId, online }) => userId === nameOf('eve') && online);
    two.send({ type: 'typing', conversationId: id });
    expect(await one.frame('typing')).toMatchObject({ conversationId: id, userId: nameOf('eve') });
  });
});

describe('a member that was offline', () => {
  it('resumes and has exactly what it missed, 1 to 500, in order, then what follows', async () => {
    const id = await talk('bob');
    await sendMany(id, 500);
    const two = await connect('bob', 'second', [{ conversationId: id, seq: 0 }]);
    expect(await two.frame('resumed')).toMatchObject({ conversationId: id, fromSeq: 0, toSeq: 500 });
    await alice.send(id, 'live');
    await has(two, id, upTo(501));
    two.drop();
    await sendMany(id, 20);
    const again = await connect('bob', 'first', [{ conversationId: id, seq: 501 }]);
    await has(again, id, upTo(521, 502));
  });
});

describe('a member that is removed', () => {
  it('gets nothing more, on the socket or by resuming', async () => {
    const id = await talk('bob', 'carol');
    const [bob, carol] = [await connect('bob', 'second'), await connect('carol', 'second')];
    await alice.send(id, 'for both');
    await has(bob, id, [1]);
    expect((await alice.request('DELETE', `/v1/conversations/${id}/members/${nameOf('bob')}`)).status).toBe(204);
    await alice.send(id, 'for carol');
    await has(carol, id, [1, 2]);
    bob.send({ type: 'resume', conversationId: id, seq: 0 });
    expect(await bob.frame('error')).toMatchObject({ code: 'not-found', conversationId: id });
    expect(bob.seqsOf(id)).toEqual([1]);
    const again = await connect('bob', 'first', [{ conversationId: id, seq: 0 }]);
    expect(await again.frame('error')).toMatchObject({ code: 'not-found', conversationId: id });
    expect(again.seqsOf(id)).toEqual([]);
  });
});

describe('a member that is added', () => {
  it('gets what comes after on the socket that it has open', async () => {
    const id = await talk('carol');
    await sendMany(id, 3);
    const bob = await connect('bob', 'second');
    await alice.request('PUT', `/v1/conversations/${id}/members/${nameOf('bob')}`);
    await sendMany(id, 2);
    expect(await has(bob, id, [4, 5])).toBe(true);
  });

  it('of a conversation that starts later hears it from the first message on', async () => {
    const bob = await connect('bob', 'second');
    const id = await talk('bob');
    await sendMany(id, 3);
    expect(await has(bob, id, [1, 2, 3])).toBe(true);
  });
});

describe('an instance that loses Redis', () => {
  it('goes on from Postgres, removes members in time, and misses nothing when Redis is back', async () => {
    const id = await talk('bob', 'carol');
    const [bob, carol] = [await connect('bob', 'second'), await connect('carol', 'second')];
    await alice.send(id, 'before');
    await has(bob, id, [1]);
    await redis.set({ kind: 'reset' });
    await eventually(async () => expect((await metricsOf(urls.second)).get('live_subscription_up')).toBe(0));
    await sendMany(id, 5);
    await has(bob, id, upTo(6));
    await alice.request('DELETE', `/v1/conversations/${id}/members/${nameOf('carol')}`);
    await alice.send(id, 'without carol');
    await has(bob, id, upTo(7));
    await redis.heal();
    await sendMany(id, 5);
    await has(bob, id, upTo(12));
    await eventually(async () => expect((await metricsOf(urls.second)).get('live_subscription_up')).toBe(1), { timeoutMs: 20_000 });
    await alice.send(id, 'after');
    await has(bob, id, upTo(13));
    expect(carol.seqsOf(id)).toEqual(upTo(6));
  });
});
