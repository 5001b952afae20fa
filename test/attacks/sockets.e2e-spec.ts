import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { mintToken } from '#lib/devstack/mint-token';
import { eventually } from '#lib/testing/eventually';
import { metricsOf } from '#lib/testing/metrics-of';
import { SocketClient } from '#lib/testing/socket-client';
import { AttackedParley } from './attacked-parley.js';
import { RawClient } from './raw-client.js';

// Families S12 to S14: sockets of foreign pages, sockets whose right has ended, and frames that are too long, too many or never read.

const OWN_PAGE = 'https://app.example.com';

let attacked: AttackedParley;
let url: string;
beforeAll(async () => {
  attacked = await AttackedParley.start({ stack: inject('stack'), env: { CORS_ORIGINS: OWN_PAGE } });
  url = attacked.parley.realtime.url;
});
afterAll(() => attacked.stop());

const tokenOf = (user: string, ttlSeconds = 600) => attacked.parley.tokenOf({ user, ttlSeconds });
const connect = async (user: string) => SocketClient.connect(url, await tokenOf(user));
const stranger = () => `mallory-${newId()}`;
/** Sockets that ended with this code since the process began. */
const closedWith = async (code: number) => (await metricsOf(url)).get(`ws_closed_total{code="${code}"}`) ?? 0;

/** An upgrade as bytes; what follows is written as it is. */
const upgrade = (client: RawClient) =>
  client.writeHead(
    'GET /v1/ws HTTP/1.1',
    'Host: parley',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Protocol: parley.v1',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    '',
  );
/** A text frame with an empty mask. */
const masked = (text: string, length = Buffer.byteLength(text)): Buffer => {
  const header = length < 126 ? Buffer.from([0x81, 0x80 | length]) : Buffer.from([0x81, 0x80 | 126, length >> 8, length & 255]);
  return Buffer.concat([header, Buffer.alloc(4), Buffer.from(text)]);
};
const rawClients = async (count: number): Promise<RawClient[]> => {
  const clients: RawClient[] = [];
  for (let i = 0; i < count; i += 1) {
    const client = await RawClient.to(url).catch(() => undefined); // a limit of connections is an answer too
    if (client === undefined) continue;
    clients.push(client);
    upgrade(client);
  }
  return clients;
};
const brokenByRaw = (attack: (clients: readonly RawClient[]) => Promise<void>, count: number) =>
  attacked.brokenBy(async () => {
    const clients = await rawClients(count);
    try {
      await attack(clients);
    } finally {
      for (const client of clients) client.close();
    }
  }, 'realtime');

describe('S12: a page of a foreign origin', () => {
  it('is told 4403, and reads nothing with the token of a user whom it has tricked', async () => {
    const page = await SocketClient.open(url, { origin: 'https://evil.example.com' });
    page.send({ type: 'hello', token: await tokenOf('alice') });
    expect((await page.closed).code).toBe(4403);
    expect(page.frames).toEqual([]);
    const own = await SocketClient.connect(url, await tokenOf('alice'), { origin: OWN_PAGE });
    await own.close();
  });
});

describe('S13: a socket without a right', () => {
  it('is closed with 4401 for an expired, a forged and a foreign token, and says which can be mended', async () => {
    const endOf = async (token: string) => {
      const socket = await SocketClient.open(url);
      socket.send({ type: 'hello', token });
      return socket.closed;
    };
    expect(await endOf(await tokenOf('alice', -1))).toEqual({ code: 4401, reason: 'The token has expired: get a new one.' });
    const forged = await mintToken('a-forged-secret-of-thirty-two-bytes-and-more', { user: 'alice' });
    expect(await endOf(forged)).toEqual({ code: 4401, reason: 'The token is not valid.' });
    const foreign = await attacked.parley.tokenOf({ user: 'alice', audience: 'other' });
    expect(await endOf(foreign)).toEqual({ code: 4401, reason: 'The token is for another audience.' });
  });

  it('is closed within 5 s of the end of its token', async () => {
    const socket = await SocketClient.connect(url, await tokenOf('alice', 4));
    const startedAt = performance.now();
    expect(await socket.closed).toEqual({ code: 4401, reason: 'The token has expired: get a new one.' });
    expect(performance.now() - startedAt).toBeLessThan(9_000);
  });

  it('cannot send into, read or watch a conversation of others', async () => {
    const { id } = await (await attacked.parley.client('alice')).createConversation({ memberIds: ['bob'] });
    const mallory = await connect(stranger());
    mallory.send({ type: 'send', ref: 'r', conversationId: id, content: 'hello', clientMessageId: 'm' });
    expect(await mallory.frame('error', ({ ref }) => ref === 'r')).toMatchObject({ code: 'not-found' });
    mallory.send({ type: 'receipt', conversationId: id, readSeq: 1 });
    mallory.send({ type: 'resume', conversationId: id, seq: 0 });
    mallory.send({ type: 'typing', conversationId: id });
    await mallory.waitFor(() => mallory.all('error').filter(({ conversationId }) => conversationId === id).length === 3);
    expect(new Set(mallory.all('error').map(({ code }) => code))).toEqual(new Set(['not-found']));
    await (await attacked.parley.client('bob')).send(id, 'a secret');
    await mallory.close();
    expect(JSON.stringify(mallory.frames)).not.toContain('secret');
  });

  it('is told when it resumes from a message that is not there yet', async () => {
    const { id } = await (await attacked.parley.client('alice')).createConversation({ memberIds: [] });
    const alice = await connect('alice');
    alice.send({ type: 'resume', conversationId: id, seq: 1_000_000 });
    expect(await alice.frame('error')).toMatchObject({ code: 'validation', conversationId: id });
    await alice.close();
  });
});

describe('S14: frames', () => {
  it('of 64 KB and one byte, of garbage, and before a hello close their socket with 4400', async () => {
    const endOf = async (data: string | Buffer, isWelcome: boolean) => {
      const socket = isWelcome ? await connect(stranger()) : await SocketClient.open(url);
      socket.sendRaw(data);
      return (await socket.closed).code;
    };
    const long = `{"type":"pong"}${' '.repeat(65_537 - 15)}`;
    expect(Buffer.byteLength(long)).toBe(65_537);
    expect(await Promise.all([endOf(long, true), endOf(long, false), endOf('{"type"', true), endOf('{"type":"pong"}', false)])).toEqual([
      4400, 4400, 4400, 4400,
    ]);
    expect(await endOf(Buffer.from([0, 1, 2]), true)).toBe(4400);
  });

  it('of 1,500 sockets that say no hello, or half of one, hurt only those', async () => {
    const before = await closedWith(4401);
    const complaints = await brokenByRaw(async (clients) => {
      // Half of a frame of 64 KB each, byte by byte for some: what is buffered is bounded.
      for (const [i, { socket }] of clients.entries()) if (i % 2 === 0) socket.write(masked('x'.repeat(20_000), 65_000));
      await sleep(6_000);
    }, 1_500);
    expect(complaints).toEqual([]);
    await eventually(async () => expect((await closedWith(4401)) - before).toBeGreaterThan(500));
  });

  it('that are not WebSocket at all hurt only their sockets', async () => {
    const noise = Buffer.alloc(100_000, 0xff);
    expect(
      await brokenByRaw(async (clients) => {
        for (const { socket } of clients) socket.write(noise);
        await sleep(2_000);
      }, 300),
    ).toEqual([]);
  });

  it('of which 10,000 come in a second close their socket with 4013, and hurt no other', async () => {
    const before = await closedWith(4013);
    const complaints = await attacked.brokenBy(async () => {
      const endsAt = performance.now() + 4_000;
      const flood = async () => {
        while (performance.now() < endsAt) {
          const socket = await connect(stranger());
          for (let i = 0; i < 2_500 && !socket.isClosed; i += 1) socket.sendRaw('{"type":"pong"}');
          expect([4013, 1006]).toContain((await socket.closed).code);
        }
      };
      await Promise.all([flood(), flood(), flood(), flood()]);
    }, 'realtime');
    expect(complaints).toEqual([]);
    expect((await closedWith(4013)) - before).toBeGreaterThanOrEqual(4);
  });

  it('of sends and receipts within the frame limit, from ten sockets, hurt no other', async () => {
    const user = stranger();
    const { id } = await (await attacked.parley.client(user)).createConversation({ memberIds: [] });
    const token = await tokenOf(user);
    const complaints = await attacked.brokenBy(async () => {
      const sockets = await Promise.all(Array.from({ length: 10 }, () => SocketClient.connect(url, token)));
      const eleventh = await SocketClient.open(url);
      eleventh.send({ type: 'hello', token });
      expect((await eleventh.closed).code).toBe(4013);
      // Marks cost the text policy most.
      const content = `x${'\u0301'.repeat(29)}`.repeat(400);
      for (let round = 0; round < 60; round += 1) {
        for (const [i, socket] of sockets.entries()) {
          if (i % 2 === 0) socket.send({ type: 'send', ref: `${round}`, conversationId: id, content, clientMessageId: newId() });
          else socket.send({ type: 'receipt', conversationId: id, readSeq: round });
        }
        await sleep(60);
      }
      expect(sockets.every(({ isClosed }) => !isClosed)).toBe(true);
      expect(sockets.flatMap((socket) => socket.all('error')).some(({ code }) => code === 'rate-limited')).toBe(true);
      await Promise.all(sockets.map((socket) => socket.close()));
    }, 'realtime');
    expect(complaints).toEqual([]);
  });

  it('that are never read close their socket with 4008, and its client has all of them after it resumes', async () => {
    const texts = Array.from({ length: 450 }, (_, i) => `${i} `.padEnd(16_384, 'long text '));
    let id = '';
    const readers: SocketClient[] = [];
    const complaints = await attacked.brokenBy(async () => {
      const before = await closedWith(4008);
      const stalled = await Promise.all(Array.from({ length: 5 }, () => connect('slow-reader')));
      for (const reader of stalled) reader.stall();
      readers.push(...stalled);
      // 30 a second: what is measured is who does not read, not 45 users who send all that they may at once.
      id = await attacked.conversationWith('slow-reader', texts, { pauseMs: 1_500 });
      // At once over the limit of the buffer; 10 s later where a gap had them catch up, which never fills it.
      await eventually(async () => expect((await closedWith(4008)) - before).toBeGreaterThanOrEqual(5), { timeoutMs: 20_000 });
    }, 'realtime');
    expect(complaints).toEqual([]);
    for (const reader of readers) reader.drop();
    const again = await SocketClient.connect(url, await tokenOf('slow-reader'), { resume: [{ conversationId: id, seq: 0 }] });
    await again.frame('resumed');
    expect(again.seqsOf(id)).toEqual(Array.from({ length: 450 }, (_, i) => i + 1));
    await again.close();
  });
});
