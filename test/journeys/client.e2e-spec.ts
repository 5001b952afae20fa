import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Change } from '#client/ordered-conversation';
import { ParleySocket, type ParleySocketOptions } from '#client/parley-socket';
import { SOCKET_PATH } from '#lib/contracts/socket';
import { eventually } from '#lib/testing/eventually';
import { FaultProxy } from '#lib/testing/fault-proxy';
import type { ParleyClient } from '#lib/testing/parley-client';
import { isEmbedded, type RunningParley, startParley } from '#lib/testing/running-parley';

// The TypeScript client against the processes of production: what its reader is shown is 1, 2, 3, ... whatever happens between them.

let parley: RunningParley;
let socketUrl = '';
beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
  socketUrl = new URL(SOCKET_PATH, parley.realtime.url.replace(/^http/, 'ws')).href;
});
afterAll(() => parley.stop());

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

interface Reader {
  readonly client: ParleySocket;
  readonly changes: Change[];
  /** `seq` of the messages that were shown. */
  seqs(): number[];
}

/** A live user who reads everything in one loop. */
async function read(user: string, options: Partial<ParleySocketOptions> = {}): Promise<Reader> {
  const token = () => parley.tokenOf({ user });
  const client = new ParleySocket({ url: socketUrl, token, ...options });
  cleanups.push(() => client.close());
  const changes: Change[] = [];
  const loop = client.messages();
  void (async () => {
    for await (const change of loop) changes.push(change);
  })();
  await client.connect();
  return { client, changes, seqs: () => changes.flatMap(({ type, seq }) => (type === 'created' ? [seq] : [])) };
}

async function proxied(): Promise<{ proxy: FaultProxy; url: string }> {
  const proxy = await FaultProxy.before(socketUrl);
  cleanups.push(() => proxy.stop());
  return { proxy, url: proxy.through(socketUrl) };
}

async function conversation(...memberIds: string[]): Promise<{ rest: ParleyClient; id: string }> {
  const rest = await parley.client('alice');
  const { id } = await rest.createConversation({ memberIds });
  return { rest, id };
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

/** Sends `count` messages over REST, a few at a time. */
async function sendMany(rest: ParleyClient, id: string, count: number, name: string): Promise<void> {
  for (let sent = 0; sent < count; sent += 5) {
    await Promise.all(upTo(Math.min(5, count - sent)).map((n) => rest.send(id, `${name} ${sent + n}`)));
  }
}

describe('the TypeScript client', () => {
  it('talks with another one', async () => {
    const { id } = await conversation('bob');
    const [alice, bob] = await Promise.all([read('alice'), read('bob')]);
    for (const { client } of [alice, bob]) client.follow({ conversationId: id, seq: 0 });
    const { seq } = await alice.client.send(id, 'Shall we have coffee?');
    expect(seq).toBe(1);
    await eventually(() => expect(bob.changes.map(({ message }) => message.content)).toEqual(['Shall we have coffee?']));
    const receipts: unknown[] = [];
    alice.client.on('receipt', (receipt) => receipts.push(receipt));
    bob.client.markRead(id, 1);
    await eventually(() => expect(receipts).toContainEqual(expect.objectContaining({ conversationId: id, userId: 'bob', readSeq: 1 })));
  });

  it('misses nothing while its connection is cut again and again', async () => {
    const { rest, id } = await conversation('bob');
    const { proxy, url } = await proxied();
    const bob = await read('bob', { url });
    bob.client.follow({ conversationId: id, seq: 0 });
    for (const fault of ['reset', 'hang', 'reset', 'half-close', 'reset'] as const) {
      await sendMany(rest, id, 20, fault);
      await proxy.set({ kind: fault }, 'existing');
      await sendMany(rest, id, 20, `after ${fault}`);
      // A connection that hangs is noticed when no ping comes; that is minutes with the pings of production.
      if (fault === 'hang') await proxy.set({ kind: 'reset' }, 'existing');
    }
    await eventually(() => expect(bob.seqs()).toEqual(upTo(200)), { timeoutMs: 30_000 });
  });

  it('has what was edited and deleted while it was away', async () => {
    const { rest, id } = await conversation('bob');
    const { proxy, url } = await proxied();
    const bob = await read('bob', { url });
    bob.client.follow({ conversationId: id, seq: 0 });
    const messages = [await rest.send(id, 'one'), await rest.send(id, 'two')];
    await eventually(() => expect(bob.seqs()).toEqual([1, 2]));
    await proxy.set({ kind: 'refuse' }, 'new');
    await proxy.set({ kind: 'reset' }, 'existing');
    await eventually(() => expect(bob.client.state.state).toBe('waiting'));
    await rest.request('PATCH', `/v1/messages/${messages[0]?.id}`, { content: 'one, edited' });
    await rest.request('DELETE', `/v1/messages/${messages[1]?.id}`);
    await proxy.heal();
    await eventually(
      () => {
        const changes = bob.changes.slice(2).map(({ type, seq, message }) => [type, seq, message.content]);
        expect(changes).toEqual(
          expect.arrayContaining([
            ['edited', 1, 'one, edited'],
            ['deleted', 2, ''],
          ]),
        );
        expect(changes).toHaveLength(2);
      },
      { timeoutMs: 20_000 },
    );
  });

  it('sends each message once, also when the connection breaks before the acknowledgement', async () => {
    const { rest, id } = await conversation();
    const { proxy, url } = await proxied();
    const alice = await read('alice', { url });
    const sends: Promise<unknown>[] = [];
    for (let n = 1; n <= 30; n += 1) {
      sends.push(alice.client.send(id, `message ${n}`));
      if (n % 10 === 5) await proxy.set({ kind: 'reset' }, 'existing');
    }
    await Promise.all(sends);
    const { items } = await rest.messages(id, { afterSeq: 0, limit: 200 });
    expect(items.map(({ content }) => content).sort()).toEqual(
      upTo(30)
        .map((n) => `message ${n}`)
        .sort(),
    );
  });

  // In one process all of it is gone meanwhile: test/embedded/kill.e2e-spec.ts.
  it.skipIf(isEmbedded)('comes back after kill -9 of its realtime process', async () => {
    const { rest, id } = await conversation('bob', 'carol');
    const readers = await Promise.all(['alice', 'bob', 'carol'].map((user) => read(user)));
    for (const { client } of readers) client.follow({ conversationId: id, seq: 0 });
    await sendMany(rest, id, 20, 'before');
    await parley.realtime.kill();
    await sendMany(rest, id, 20, 'meanwhile');
    await parley.realtime.start();
    await sendMany(rest, id, 20, 'after');
    for (const { seqs } of readers) await eventually(() => expect(seqs()).toEqual(upTo(60)), { timeoutMs: 30_000 });
  });

  it('goes on from the positions that it saved', async () => {
    const { rest, id } = await conversation('bob');
    const first = await read('bob');
    first.client.follow({ conversationId: id, seq: 0 });
    await sendMany(rest, id, 10, 'before');
    await eventually(() => expect(first.seqs()).toEqual(upTo(10)));
    await eventually(() => expect(first.client.positions()).toContainEqual(expect.objectContaining({ conversationId: id, seq: 10 })));
    const resume = first.client.positions();
    first.client.close();
    await sendMany(rest, id, 10, 'meanwhile');
    const second = await read('bob', { resume });
    const ofThis = () =>
      second.changes.flatMap(({ type, conversationId, seq }) => (type === 'created' && conversationId === id ? [seq] : []));
    await eventually(() => expect(ofThis()).toEqual(upTo(20).slice(10)));
  });

  it('gets a new token when the old one has expired, and misses nothing meanwhile', async () => {
    const { rest, id } = await conversation('dora');
    const tokens: string[] = [];
    const token = async () => {
      const minted = await parley.tokenOf({ user: 'dora', ttlSeconds: 3 });
      tokens.push(minted);
      return minted;
    };
    const dora = await read('dora', { token });
    dora.client.follow({ conversationId: id, seq: 0 });
    for (let sent = 1; tokens.length < 3; sent += 1) {
      await rest.send(id, `message ${sent}`);
      await eventually(() => expect(dora.seqs()).toEqual(upTo(sent)));
    }
    expect(dora.client.state.state).not.toBe('closed');
  });

  it('is told that its user was removed, and that a token is refused', async () => {
    const { rest, id } = await conversation('bob');
    const bob = await read('bob');
    bob.client.follow({ conversationId: id, seq: 0 });
    await rest.send(id, 'one');
    await eventually(() => expect(bob.seqs()).toEqual([1]));
    await rest.request('DELETE', `/v1/conversations/${id}/members/bob`);
    const { proxy, url } = await proxied();
    const removed: string[] = [];
    const again = new ParleySocket({ url, token: () => parley.tokenOf({ user: 'bob' }), resume: [{ conversationId: id, seq: 1 }] });
    cleanups.push(() => again.close());
    again.on('removed', ({ conversationId }) => removed.push(conversationId));
    await again.connect();
    await eventually(() => expect(removed).toEqual([id]));
    expect(proxy.connectionCount).toBe(1);
    await expect(new ParleySocket({ url, token: 'no token' }).connect()).rejects.toMatchObject({ code: 'unauthenticated' });
  });
});
