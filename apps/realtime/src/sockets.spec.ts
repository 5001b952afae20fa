import { request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import { mintToken } from '#lib/devstack/mint-token';
import { eventually } from '#lib/testing/eventually';
import { SocketClient } from '#lib/testing/socket-client';
import { closeRealtimes, MemoryRealtime } from './memory-realtime.contract.js';

afterEach(closeRealtimes);

describe('a socket', () => {
  it('is welcomed after its hello, and its sends are acknowledged', async () => {
    const realtime = await MemoryRealtime.boot();
    const id = await realtime.conversation('alice', 'bob');
    const alice = await realtime.connect('alice');
    expect(await alice.frame('welcome')).toMatchObject({ userId: 'alice', pingMs: 25_000 });
    alice.send({ type: 'send', ref: 'r1', conversationId: id, content: 'hello', clientMessageId: 'm1' });
    alice.send({ type: 'send', ref: 'r2', conversationId: id, content: 'again', clientMessageId: 'm2' });
    const first = await alice.frame('ack', ({ ref }) => ref === 'r1');
    expect(first.seq).toBe(1);
    expect((await alice.frame('ack', ({ ref }) => ref === 'r2')).seq).toBe(2);
    alice.send({ type: 'send', ref: 'r3', conversationId: id, content: 'hello', clientMessageId: 'm1' });
    expect(await alice.frame('ack', ({ ref }) => ref === 'r3')).toMatchObject({ id: first.id, seq: 1 });
  });

  it('stores what it sends at once in the order in which it sends it', async () => {
    const realtime = await MemoryRealtime.boot();
    const id = await realtime.conversation('alice');
    const alice = await realtime.connect('alice');
    for (let i = 1; i <= 16; i += 1)
      alice.send({ type: 'send', ref: `${i}`, conversationId: id, content: `${i}`, clientMessageId: `${i}` });
    await alice.waitFor(() => alice.all('ack').length === 16);
    expect(alice.all('ack').map(({ ref, seq }) => [ref, seq])).toEqual(Array.from({ length: 16 }, (_, i) => [`${i + 1}`, i + 1]));
  });

  it('gets an error with its ref for a send that is refused, and stays open', async () => {
    const realtime = await MemoryRealtime.boot();
    const id = await realtime.conversation('alice');
    const bob = await realtime.connect('bob');
    bob.send({ type: 'send', ref: 'foreign', conversationId: id, content: 'hello', clientMessageId: 'm1' });
    expect(await bob.frame('error')).toMatchObject({ ref: 'foreign', code: 'not-found' });
    bob.send({ type: 'send', ref: 'invisible', conversationId: id, content: '\u200b', clientMessageId: 'm2' });
    expect(await bob.frame('error', ({ ref }) => ref === 'invisible')).toMatchObject({
      code: 'validation',
      detail: 'content: must have at least one visible character',
    });
    const own = await realtime.conversation('bob');
    bob.send({ type: 'send', ref: 'k', conversationId: own, content: 'one', clientMessageId: 'same' });
    await bob.frame('ack');
    bob.send({ type: 'send', ref: 'reused', conversationId: own, content: 'other', clientMessageId: 'same' });
    expect(await bob.frame('error', ({ ref }) => ref === 'reused')).toMatchObject({ code: 'idempotency-key-reused' });
    expect(bob.isClosed).toBe(false);
  });

  it('uses up the same quota as requests, and is told when to try again', async () => {
    // A burst of four, then two a second: all twelve would pass on a machine that stands still for four seconds.
    const realtime = await MemoryRealtime.boot({ RATE_LIMIT_PER_USER: '2' });
    const id = await realtime.conversation('alice');
    const alice = await realtime.connect('alice');
    for (let i = 1; i <= 12; i += 1) alice.send({ type: 'send', ref: `${i}`, conversationId: id, content: 'hi', clientMessageId: `${i}` });
    await alice.waitFor(() => alice.all('ack').length + alice.all('error').length === 12);
    expect(alice.all('ack').length).toBeGreaterThanOrEqual(4);
    for (const error of alice.all('error')) expect(error).toMatchObject({ code: 'rate-limited', retryAfterMs: 1_000 });
    expect(alice.all('error').length).toBeGreaterThan(0);
  });

  it('has its receipts merged and recorded, and hears of a conversation that is not its own', async () => {
    const realtime = await MemoryRealtime.boot();
    const id = await realtime.conversation('alice', 'bob');
    const store = realtime.app.get(ConversationStorePort, { strict: false });
    const alice = await realtime.connect('alice');
    for (let i = 1; i <= 5; i += 1) alice.send({ type: 'send', ref: `${i}`, conversationId: id, content: 'hi', clientMessageId: `${i}` });
    await alice.waitFor(() => alice.all('ack').length === 5);
    const bob = await realtime.connect('bob');
    for (const readSeq of [1, 4, 3]) bob.send({ type: 'receipt', conversationId: id, readSeq });
    await eventually(async () => expect((await store.list('bob', { limit: 1 })).items[0]).toMatchObject({ readSeq: 4 }));
    const foreign = await realtime.conversation('alice');
    bob.send({ type: 'receipt', conversationId: foreign, readSeq: 1 });
    expect(await bob.frame('error')).toMatchObject({ code: 'not-found', conversationId: foreign });
  });

  it('is counted, and leaves one line in the log', async () => {
    const realtime = await MemoryRealtime.boot();
    const alice = await realtime.connect('alice');
    await alice.close();
    await eventually(() =>
      expect(realtime.log.find(({ message }) => message === 'session')).toMatchObject({
        userId: 'alice',
        code: 1005,
        framesIn: 1,
        framesOut: 1,
      }),
    );
    const metrics = await (await fetch(`${realtime.url}/metrics`)).text();
    expect(metrics).toMatch(/^ws_closed_total\{code="1005"\} [1-9]/m);
    expect(metrics).toMatch(/^ws_connections 0$/m);
  });
});

describe('a socket that breaks the protocol is closed', () => {
  const frames: readonly [what: string, frame: string | Buffer, code: number][] = [
    ['for a first frame that is no hello', JSON.stringify({ type: 'pong' }), 4400],
    ['for a binary frame', Buffer.from('{"type":"hello","token":"x"}'), 4400],
    ['for what is not JSON', '{"type":', 4400],
    ['for JSON that is no object', '[]', 4400],
    ['for an unknown field of hello', JSON.stringify({ type: 'hello', token: 'x', extra: 1 }), 4400],
    ['for a token that is none', JSON.stringify({ type: 'hello', token: 'x' }), 4401],
  ];
  it.each(frames)('%s', async (_, frame, code) => {
    const realtime = await MemoryRealtime.boot();
    const stranger = await realtime.open();
    stranger.sendRaw(frame);
    expect((await stranger.closed).code).toBe(code);
  });

  const later: readonly [what: string, frame: string, code: number][] = [
    ['for a second hello', JSON.stringify({ type: 'hello', token: 'x' }), 4400],
    ['for an unknown type', JSON.stringify({ type: 'shout' }), 4400],
    ['for an unknown field', JSON.stringify({ type: 'pong', extra: 1 }), 4400],
    ['for a send without a ref', JSON.stringify({ type: 'send', conversationId: newId(), content: 'x', clientMessageId: 'm' }), 4400],
    [
      'for a send with an unknown field',
      JSON.stringify({ type: 'send', ref: 'r', conversationId: newId(), content: 'x', clientMessageId: 'm', to: 1 }),
      4400,
    ],
    ['for a frame of 64 KB and one byte', padded(65_537), 4400],
    ['for a frame that is much longer', padded(400_000), 4400],
  ];
  it.each(later)('%s', async (_, frame, code) => {
    const realtime = await MemoryRealtime.boot();
    const alice = await realtime.connect('alice');
    alice.sendRaw(frame);
    expect((await alice.closed).code).toBe(code);
  });

  it('and not for a frame of exactly 64 KB', async () => {
    const realtime = await MemoryRealtime.boot();
    const alice = await realtime.connect('alice');
    alice.sendRaw(padded(65_536));
    alice.send({ type: 'send', ref: 'after', conversationId: newId(), content: 'x', clientMessageId: 'm' });
    expect(await alice.frame('error')).toMatchObject({ ref: 'after', code: 'not-found' });
  });

  it('when it says nothing', async () => {
    const realtime = await MemoryRealtime.boot({ WS_HELLO_TIMEOUT_MS: '200' });
    const stranger = await realtime.open();
    expect(await stranger.closed).toMatchObject({ code: 4401, reason: 'no hello came in time' });
  });

  it('and not for a hello that was there in time, when the process stood still before it read it', async () => {
    const realtime = await MemoryRealtime.boot({ WS_HELLO_TIMEOUT_MS: '200' });
    const token = await realtime.tokenOf('alice');
    const alice = await realtime.open();
    alice.send({ type: 'hello', token });
    for (const until = performance.now() + 700; performance.now() < until; );
    expect(await alice.frame('welcome')).toMatchObject({ userId: 'alice' });
  });

  it('when it sends more frames than it may', async () => {
    const realtime = await MemoryRealtime.boot({ WS_FRAMES_PER_SECOND: '20' });
    const alice = await realtime.connect('alice');
    for (let i = 0; i < 200; i += 1) alice.send({ type: 'pong' });
    expect((await alice.closed).code).toBe(4013);
  });

  it('when it sends more pings of the WebSocket protocol than it may', async () => {
    const realtime = await MemoryRealtime.boot({ WS_FRAMES_PER_SECOND: '20' });
    const alice = await realtime.connect('alice');
    for (let i = 0; i < 200; i += 1) alice.socket.ping();
    expect((await alice.closed).code).toBe(4013);
  });

  it('when it sends more pongs of the WebSocket protocol than it may, though none was asked for', async () => {
    const realtime = await MemoryRealtime.boot({ WS_FRAMES_PER_SECOND: '20' });
    const alice = await realtime.connect('alice');
    for (let i = 0; i < 200; i += 1) alice.socket.pong();
    expect((await alice.closed).code).toBe(4013);
  });

  it('when it does not answer pings, and stays open when it does', async () => {
    const realtime = await MemoryRealtime.boot({ WS_PING_MS: '1000', WS_PONG_TIMEOUT_MS: '500' });
    const [silent, alive] = await Promise.all([realtime.connect('alice', { pongs: false }), realtime.connect('bob')]);
    expect((await silent.closed).code).toBe(4012);
    await alive.waitFor(() => alive.all('ping').length >= 2);
    expect(alive.isClosed).toBe(false);
  });
});

describe('a token', () => {
  it('that has expired or is forged is refused with the reason', async () => {
    const realtime = await MemoryRealtime.boot();
    const refusalOf = async (token: string) => {
      const socket = await realtime.open();
      socket.send({ type: 'hello', token });
      return socket.closed;
    };
    expect(await refusalOf(await realtime.tokenOf('alice', { ttlSeconds: -1 }))).toEqual({
      code: 4401,
      reason: 'The token has expired: get a new one.',
    });
    const forged = await mintToken('another-secret-of-thirty-two-bytes-or-more', { user: 'alice' });
    expect(await refusalOf(forged)).toEqual({ code: 4401, reason: 'The token is not valid.' });
  });

  it('that ends while its socket is open ends the socket within seconds', async () => {
    const realtime = await MemoryRealtime.boot();
    const alice = await SocketClient.connect(realtime.url, await realtime.tokenOf('alice', { ttlSeconds: 3 }));
    const startedAt = performance.now();
    expect(await alice.closed).toEqual({ code: 4401, reason: 'The token has expired: get a new one.' });
    expect(performance.now() - startedAt).toBeLessThan(10_000); // the first ping comes after 25 s
  });
});

describe('an upgrade', () => {
  it('of a page from a foreign origin is accepted and closed, so that the page learns why', async () => {
    const realtime = await MemoryRealtime.boot({ CORS_ORIGINS: 'https://app.example.com' });
    const foreign = await realtime.open({ origin: 'https://evil.example.com' });
    expect((await foreign.closed).code).toBe(4403);
    await realtime.connect('alice', { origin: 'https://app.example.com' });
    await realtime.connect('alice'); // no browser
  });

  it('is refused at another path, and without our subprotocol', async () => {
    const realtime = await MemoryRealtime.boot();
    await expect(realtime.open({ protocols: ['chat'] })).rejects.toThrow('400');
    expect(await upgradeStatus(`${realtime.url}/v1/other`)).toBe(404);
    expect((await fetch(`${realtime.url}/v1/ws`)).status).toBe(404);
  });

  it('is refused when there are as many sockets as the process takes', async () => {
    const realtime = await MemoryRealtime.boot({ WS_MAX_SOCKETS: '2' });
    const [one] = await Promise.all([realtime.connect('alice'), realtime.connect('bob')]);
    await expect(realtime.open()).rejects.toThrow('503');
    await one.close();
    await eventually(() => realtime.open());
  });

  it('is cut off when too many of its address have said no hello, and welcomed users do not count', async () => {
    const realtime = await MemoryRealtime.boot({ HTTP_MAX_CONNECTIONS_PER_ADDRESS: '3' });
    for (let i = 0; i < 6; i += 1) await realtime.connect(`user-${i}`);
    const strangers = await Promise.all([realtime.open(), realtime.open(), realtime.open()]);
    await expect(realtime.open()).rejects.toThrow(/socket hang up|ECONNRESET|EPIPE|closed/);
    strangers[0].drop();
    await eventually(() => realtime.connect('alice'));
  });

  it('is one too many for a user with ten sockets, until one of them goes', async () => {
    const realtime = await MemoryRealtime.boot({ WS_SOCKETS_PER_USER: '10' });
    const ten = await Promise.all(Array.from({ length: 10 }, () => realtime.connect('alice')));
    const eleventh = await realtime.open();
    eleventh.send({ type: 'hello', token: await realtime.tokenOf('alice') });
    expect(await eleventh.closed).toEqual({ code: 4013, reason: 'more than 10 sockets of this user' });
    await ten[0]?.close();
    await eventually(() => realtime.connect('alice'));
  });
});

it('a user who says hello again and again is told to wait, and another one is not', async () => {
  const realtime = await MemoryRealtime.boot({ RATE_LIMIT_PER_USER: '1' });
  const token = await realtime.tokenOf('alice');
  const ends: { code: number; reason: string }[] = [];
  for (let i = 0; i < 30 && ends.length === 0; i += 1) {
    const socket = await realtime.open();
    socket.send({ type: 'hello', token });
    await socket
      .waitFor(() => socket.all('welcome').length > 0)
      .then(
        () => socket.close(),
        async () => ends.push(await socket.closed),
      );
  }
  expect(ends).toEqual([{ code: 4013, reason: 'too many hellos of this user' }]);
  await realtime.connect('bob');
});

describe('a process that stops', () => {
  it('tells its clients to go at different moments, acknowledges what they have sent, and takes no new ones', async () => {
    const realtime = await MemoryRealtime.boot({ WS_DRAIN_MS: '2000' });
    const id = await realtime.conversation('alice');
    const clients = await Promise.all(Array.from({ length: 10 }, () => realtime.connect('alice')));
    const [first] = clients;
    const stopping = realtime.stop();
    first?.send({ type: 'send', ref: 'last', conversationId: id, content: 'hello', clientMessageId: 'last' });
    const waits = await Promise.all(clients.map(async (client) => (await client.frame('goaway')).reconnectInMs));
    expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(1_000);
    await expect(realtime.open()).rejects.toThrow('503');
    const ends = await Promise.all(clients.map(({ closed }) => closed));
    expect(new Set(ends.map(({ code }) => code))).toEqual(new Set([4001]));
    await stopping;
    expect(first?.all('ack')).toMatchObject([{ ref: 'last', seq: 1 }]);
  });
});

/** A valid frame of so many bytes. */
function padded(bytes: number): string {
  return '{"type":"pong"}'.padEnd(bytes, ' ');
}

/** The status that an upgrade is refused with. */
const upgradeStatus = (url: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-protocol': 'parley.v1',
    };
    request(url, { headers })
      .on('response', (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      })
      .on('error', reject)
      .end();
  });
