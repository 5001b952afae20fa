import { connect, type AddressInfo, type Socket } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { mintToken } from '#lib/devstack/mint-token';
import { metrics } from '#lib/runtime/metrics/metrics';
import { TokenVerifierPort } from '#lib/auth/token-verifier.port';
import { ListConversations } from '../../../conversations/list-conversations.js';
import { bootGateway, closeGateways, SECRET } from '../../../memory-gateway.contract.js';
import type { EdgeLimits } from './edge-limits.js';

// What clients do that no HTTP library does, over real sockets.

// Full pages over many connections: seconds on a machine that does other things.
vi.setConfig({ testTimeout: 30_000 });

const LINGER_MS = 300;
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one();
  await closeGateways();
});

let alice = '';
let bob = '';
beforeAll(async () => {
  [alice, bob] = await Promise.all([mintToken(SECRET, { user: 'alice' }), mintToken(SECRET, { user: 'bob' })]);
});

interface Server {
  readonly app: NestFastifyApplication;
  readonly port: number;
}

/** A gateway that listens. */
const boot = async (overrides: Record<string, string> = {}, limits: Partial<EdgeLimits> = {}): Promise<Server> => {
  const app = await bootGateway({ env: { RATE_LIMIT_BYTES_PER_USER: '0', ...overrides }, limits: { lingerMs: LINGER_MS, ...limits } });
  await app.listen(0, '127.0.0.1');
  return { app, port: (app.getHttpServer().address() as AddressInfo).port };
};

/** A client that sends what it is told to and collects what comes; `isReading: false` = it never reads. */
class RawClient {
  text = '';
  isClosed = false;
  private readonly socket: Socket;

  constructor({ port }: Server, { isReading = true } = {}) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => undefined).on('close', () => (this.isClosed = true));
    if (isReading) this.socket.on('data', (chunk) => (this.text += chunk.toString('latin1')));
    else this.socket.pause();
    undo.push(() => this.socket.destroy());
  }

  send(bytes: string): this {
    this.socket.write(bytes);
    return this;
  }

  hangUp(): void {
    this.socket.destroy();
  }

  /** From now on it reads. */
  read(): void {
    this.socket.resume();
  }

  async answers(status: number): Promise<void> {
    await eventually(() => {
      if (!this.text.startsWith(`HTTP/1.1 ${status} `)) throw new Error(`not ${status}: ${this.text.slice(0, 200)}`);
    });
  }
}

const head = (method: string, path: string, headers: Record<string, string> = {}): string =>
  `${method} ${path} HTTP/1.1\r\n${Object.entries({ host: 'parley', ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
const by = (token: string) => ({ authorization: `Bearer ${token}` });
const json = (length: number) => ({ 'content-type': 'application/json', 'content-length': String(length) });

const ask = async (
  { port }: Server,
  token = alice,
  path = '/v1/conversations',
  init: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
) => {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { ...init, headers: { ...by(token), ...init.headers } });
  const text = await answer.text();
  return {
    status: answer.status,
    headers: answer.headers,
    text,
    body: (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, unknown>,
  };
};
const post = (server: Server, path: string, value: unknown, token = alice) =>
  ask(server, token, path, { method: 'POST', body: JSON.stringify(value), headers: { 'content-type': 'application/json' } });

/** A conversation of alice and bob with `count` of the longest messages. */
const aLongConversation = async (server: Server, count: number): Promise<string> => {
  const { id } = (await post(server, '/v1/conversations', { memberIds: ['bob'] })).body;
  const path = `/v1/conversations/${String(id)}/messages`;
  for (let i = 0; i < count; i += 1) await post(server, path, { content: 'x'.repeat(16_000) });
  return path;
};

describe('from the head alone', () => {
  it.each([
    ['an unknown route', head('POST', '/nope', json(5_000)), 404],
    ['an unknown method', head('PATCH', '/v1/conversations', json(5_000)), 405],
    ['another media type', head('POST', '/v1/conversations', { 'content-type': 'text/plain', 'content-length': '5000' }), 415],
    ['a compressed body', head('POST', '/v1/conversations', { ...json(5_000), 'content-encoding': 'gzip' }), 415],
    ['more than the route takes', head('POST', '/v1/conversations', json(10_000_000)), 413],
    ['no token', head('POST', '/v1/conversations', json(5_000)), 401],
    ['a path that cannot be one', head('POST', '/%zz', json(5_000)), 400],
    ['two hosts', head('POST', '/v1/conversations', json(5_000)).replace('\r\n\r\n', '\r\nHost: elsewhere\r\n\r\n'), 400],
  ])('refuses %s, lets the client read that, and hangs up when the body does not come', async (_, request, status) => {
    const client = new RawClient(await boot()).send(request).send('{"a":1');
    await client.answers(status);
    expect(client.text).toContain('"code"');
    await eventually(() => expect(client.isClosed).toBe(true));
  });

  it('goes on with the connection when the body comes after all', async () => {
    const client = new RawClient(await boot()).send(head('POST', '/nope', json(6)));
    await client.answers(404);
    client.text = '';
    client.send('{"a":1').send(head('GET', '/livez'));
    await client.answers(200);
    expect(client.isClosed).toBe(false);
  });

  it('answers a client that is still writing ten megabytes', async () => {
    const server = await boot();
    const answer = await ask(server, alice, '/nope', { method: 'POST', body: Buffer.alloc(10_000_000, 0x20) });
    expect(answer.status).toBe(404);
  });

  it('gives nobody’s place to half a request for an unknown route', async () => {
    const server = await boot({ HTTP_MAX_CONCURRENT: '5' });
    const clients = Array.from({ length: 30 }, () => new RawClient(server).send(`${head('POST', '/nope', json(5_000))}{"a":1`));
    for (const client of clients) await client.answers(404);
    expect((await ask(server)).status).toBe(200);
  });
});

describe('a place in flight', () => {
  const half = (token: string) => `${head('POST', '/v1/conversations', { ...by(token), ...json(100) })}{"memb`;

  it('belongs to its user, who has only some of them', async () => {
    const server = await boot({ HTTP_MAX_CONCURRENT_PER_USER: '3' });
    for (let i = 0; i < 3; i += 1) new RawClient(server).send(half(alice));
    await eventually(async () => expect((await ask(server)).status).toBe(429));
    const refused = await ask(server);
    expect(refused.body).toMatchObject({ code: 'rate-limited', retryable: true });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect((await ask(server, bob)).status).toBe(200);
  });

  it('is given up by the slowest of an address that has too many bodies on their way', async () => {
    const server = await boot({ HTTP_MAX_RECEIVING_PER_ADDRESS: '2' }, { receivingPatienceMs: 0 });
    // Node asks for the body as soon as it has the head, so that each begins after the one before it.
    const begin = async (token: string) => {
      const client = new RawClient(server).send(
        `${head('POST', '/v1/conversations', { ...by(token), ...json(100), expect: '100-continue' })}{"memb`,
      );
      await client.answers(100);
      client.text = '';
      return client;
    };
    const [first, second, third] = [await begin(alice), await begin(bob), await begin(bob)];
    await first.answers(429);
    expect(first.text).toContain('took the longest');
    for (const client of [second, third]) client.send('erIds": []'.padEnd(93, ' ').concat('}'));
    await second.answers(201);
    await third.answers(201);
  });

  it('is not kept by a client that does not read its answer', async () => {
    const server = await boot({ HTTP_MAX_CONCURRENT_PER_USER: '4' });
    const path = await aLongConversation(server, 60);
    const request = head('GET', `${path}?limit=200`, by(alice));
    for (let i = 0; i < 12; i += 1) new RawClient(server, { isReading: false }).send(request).send(request).send(request);
    // As many as are allowed at once are answered, one after the other, although none of the answers is read.
    await eventually(async () => expect((await ask(server)).status).toBe(200));
  });
});

describe('an answer that is not read', () => {
  /** Asks for far more than the kernel buffers of a connection hold, on some connections: Node reads no further requests of one that lags. */
  const readNothing = (server: Server, path: string) => {
    for (let i = 0; i < 5; i += 1) {
      const client = new RawClient(server, { isReading: false });
      for (let j = 0; j < 12; j += 1) client.send(head('GET', `${path}?limit=200`, by(alice)));
    }
  };

  it('is cut off when nothing of it goes out any more', async () => {
    const server = await boot({}, { answerStallMs: 300 });
    const path = await aLongConversation(server, 60);
    const request = head('GET', `${path}?limit=200`, by(alice));
    const client = new RawClient(server, { isReading: false });
    for (let i = 0; i < 20; i += 1) client.send(request);

    await eventually(async () =>
      expect((await ask(server, alice, '/metrics')).text).toMatch(/^http_answers_cut_total\{reason="stalled"\} [1-9]/m),
    );
    client.read();
    await eventually(() => expect(client.isClosed).toBe(true));
  });

  it('counts: beyond its share a caller gets no further large answers, and others do', async () => {
    const server = await boot({}, { unsentBytesPerCaller: 2_000_000 });
    const path = await aLongConversation(server, 60);
    const client = new RawClient(server, { isReading: false });
    // The first few fill the buffers of the kernel.
    await eventually(async () => {
      client.send(head('GET', `${path}?limit=200`, by(alice)));
      expect((await ask(server, alice, `${path}?limit=60`)).status).toBe(429);
    });
    expect((await ask(server, bob, `${path}?limit=60`)).status).toBe(200);
    // Small ones are always given: what happened must be said.
    expect((await post(server, path, { content: 'hi' })).status).toBe(202);
  });

  it('makes room when memory for answers runs out: the oldest goes first', async () => {
    const server = await boot({}, { unsentBytes: 4_000_000 });
    const path = await aLongConversation(server, 60);
    readNothing(server, path);

    await eventually(async () =>
      expect((await ask(server, bob, '/metrics')).text).toMatch(/^http_answers_cut_total\{reason="memory"\} [1-9]/m),
    );
    expect((await ask(server, bob, `${path}?limit=60`)).status).toBe(200);
  });
});

describe('bytes', () => {
  it('of bodies that are announced and do not come take no memory', async () => {
    const server = await boot({ HTTP_MAX_CONCURRENT_PER_USER: '0' });
    const path = await aLongConversation(server, 0);
    const before = process.memoryUsage().arrayBuffers;
    const announce = (bytes: number) =>
      Array.from({ length: 80 }, () => new RawClient(server).send(`${head('POST', path, { ...by(alice), ...json(bytes) })}{"cont`));
    for (const client of announce(10_000_000)) await client.answers(413);
    const waiting = announce(120_000);
    await eventually(async () => expect((await ask(server, alice, '/v1/conversations')).status).toBe(200));
    expect(waiting.every(({ text }) => text === '')).toBe(true);
    // 9.6 MB are announced, 480 bytes have come; sockets have buffers of their own.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8_000_000);
  });

  it('of bodies count when they arrive, for their caller', async () => {
    const server = await boot({}, { bodyBytesPerCaller: 30_000 });
    const path = await aLongConversation(server, 0);
    const slow = new RawClient(server).send(`${head('POST', path, { ...by(alice), ...json(60_000) })}{"content":"${'x'.repeat(25_000)}`);
    await eventually(async () => expect((await post(server, path, { content: 'x'.repeat(10_000) })).status).toBe(429));
    expect((await post(server, path, { content: 'x'.repeat(10_000) }, bob)).status).toBe(202);
    expect(slow.text).toBe('');
  });

  it('of answers have a quota', async () => {
    const server = await boot({ RATE_LIMIT_BYTES_PER_USER: '100' });
    const path = await aLongConversation(server, 1);
    expect((await ask(server, bob, path)).status).toBe(200);
    const refused = await ask(server, bob, path);
    expect(refused.body).toMatchObject({ status: 429, code: 'rate-limited' });
    // 16 KB, of which 1 was free: 150 s, less what this machine took.
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(100);
    expect((await ask(server, alice, '/livez')).status).toBe(200);
  });

  it('of large bodies have a quota, which small bodies do not use', async () => {
    const server = await boot({ RATE_LIMIT_BODY_BYTES_PER_USER: '100' });
    const path = await aLongConversation(server, 0);
    const end = async (token: string, conversationLog: object[]) => {
      const times = { startTime: '2026-01-31T09:00:00Z', endTime: '2026-01-31T09:30:00Z' };
      return post(
        server,
        '/v1/conversations/end',
        { conversationId: 'robot-7', userId: token === alice ? 'alice' : 'bob', ...times, conversationLog },
        token,
      );
    };
    const long = [{ role: 'user', content: 'x'.repeat(15_000) }];
    expect((await post(server, path, { content: 'x'.repeat(15_000) })).status).toBe(202);
    expect((await end(alice, long)).status).toBe(202);
    const refused = await end(alice, long);
    expect(refused.body).toMatchObject({ status: 429, code: 'rate-limited' });
    // 15 KB, of which 1 was free: 140 s, less what this machine took.
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(100);
    expect((await post(server, path, { content: 'x'.repeat(15_000) })).status).toBe(202);
    expect((await end(bob, long)).status).toBe(202);
  });
});

describe('connections', () => {
  it('of one address are limited, and it is told so', async () => {
    const server = await boot({ HTTP_MAX_CONNECTIONS_PER_ADDRESS: '2' });
    const [first] = [new RawClient(server), new RawClient(server)].map((client) => client.send(head('GET', '/livez')));
    await first?.answers(200);
    const third = new RawClient(server);
    await third.answers(429);
    expect(third.text).toContain('"code":"rate-limited"');
    await eventually(() => expect(third.isClosed).toBe(true));
  });

  it('that never sent anything do not hold up a process that stops', async () => {
    const server = await boot();
    const client = new RawClient(server);
    const count = () => new Promise((resolve) => server.app.getHttpServer().getConnections((_: unknown, open: number) => resolve(open)));
    await eventually(async () => expect(await count()).toBe(1));
    const startedAt = performance.now();
    await closeGateways();
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    await eventually(() => expect(client.isClosed).toBe(true));
  });

  it('of all are limited', async () => {
    const server = await boot({ HTTP_MAX_CONNECTIONS: '1' });
    const first = new RawClient(server).send(head('GET', '/livez'));
    await first.answers(200);
    const second = new RawClient(server).send(head('GET', '/livez'));
    await eventually(() => expect(second.isClosed).toBe(true));
    expect(second.text).toBe('');
  });
});

describe('a page of another origin', () => {
  const from = (origin: string, more: Record<string, string> = {}) => ({ headers: { origin, ...more } });
  const preflight = (origin: string) => ({
    ...from(origin, { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' }),
    method: 'OPTIONS' as const,
    url: '/v1/conversations',
  });

  it('may do nothing by default', async () => {
    const { app } = await boot();
    const answer = await app.inject({ url: '/livez', ...from('https://app.example') });
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    expect((await app.inject(preflight('https://app.example'))).statusCode).toBe(405);
  });

  it('may call when it is listed, and is told so without a token or a quota', async () => {
    const { app } = await boot({ CORS_ORIGINS: 'https://app.example, http://localhost:3000', RATE_LIMIT_GLOBAL: '1' });
    for (let i = 0; i < 5; i += 1) {
      const answer = await app.inject(preflight('http://localhost:3000'));
      expect(answer.statusCode).toBe(204);
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': 'http://localhost:3000',
        'access-control-allow-methods': 'GET, HEAD, POST',
        'access-control-allow-headers': expect.stringContaining('authorization'),
        vary: 'origin',
      });
    }
    const answer = await app.inject({ url: '/v1/conversations', headers: { origin: 'https://app.example', ...by(alice) } });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': 'https://app.example',
      'access-control-expose-headers': expect.stringContaining('retry-after'),
    });
    // A refusal is for the page to read, too.
    const refused = await app.inject({ url: '/v1/conversations', ...from('https://app.example') });
    expect(refused.statusCode).toBe(401);
    expect(refused.headers['access-control-allow-origin']).toBe('https://app.example');
  });

  it.each(['https://app.example.evil', 'http://app.example', 'https://app.example:8443', 'null'])(
    'that is not listed, may not: %s',
    async (origin) => {
      const { app } = await boot({ CORS_ORIGINS: 'https://app.example' });
      const answer = await app.inject({ url: '/livez', ...from(origin) });
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
      expect((await app.inject(preflight(origin))).statusCode).toBe(405);
    },
  );

  it('may call when any may, but never with credentials', async () => {
    const { app } = await boot({ CORS_ORIGINS: '*' });
    const { headers } = await app.inject({ url: '/livez', ...from('https://any.example') });
    expect(headers['access-control-allow-origin']).toBe('*');
    expect(headers['access-control-allow-credentials']).toBeUndefined();
  });
});

describe('a client that hangs up', () => {
  /** Resolves when the server has noticed that its next client is gone. */
  const nextIsGone = ({ app }: Server): Promise<unknown> =>
    new Promise((resolve) => app.getHttpServer().once('connection', (socket) => socket.once('close', resolve)));

  it('keeps no place in flight when half its body was sent and it went while its token was looked at', async () => {
    const server = await boot({ HTTP_MAX_CONCURRENT_PER_USER: '1' });
    const verifier = server.app.get(TokenVerifierPort);
    const verify = verifier.verify.bind(verifier);
    const [looking, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    vi.spyOn(verifier, 'verify').mockImplementationOnce(async (token) => {
      looking.resolve();
      await released.promise;
      return verify(token);
    });
    const gone = nextIsGone(server);
    const client = new RawClient(server).send(`${head('POST', '/v1/conversations', { ...by(alice), ...json(100) })}{"memb`);
    await looking.promise;
    client.hangUp();
    await gone;
    released.resolve();
    await eventually(async () => expect((await ask(server)).status).toBe(200));
  });

  it('leaves no answer that counts as unread when it went before its answer was made', async () => {
    const cut = async () => (await metrics.answersCut.get()).values.find(({ labels }) => labels.reason === 'memory')?.value ?? 0;
    const before = await cut();
    const server = await boot({}, { unsentBytes: 1 });
    const list = server.app.get(ListConversations);
    const execute = list.execute.bind(list);
    const [handling, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    vi.spyOn(list, 'execute').mockImplementationOnce(async (...args) => {
      handling.resolve();
      await released.promise;
      return execute(...args);
    });
    const gone = nextIsGone(server);
    const client = new RawClient(server).send(head('GET', '/v1/conversations', by(alice)));
    await handling.promise;
    client.hangUp();
    await gone;
    released.resolve();
    expect((await ask(server)).status).toBe(200);
    expect(await cut()).toBe(before);
  });
});
