import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { httpDispatcher, type HttpLimits } from './http-dispatcher.js';
import { endpointOf, type HttpFailure, requestJson } from './json-request.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function listening(server: Server | TcpServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(async () => {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return (server.address() as AddressInfo).port;
}
const serve = async (listener: RequestListener) => `http://127.0.0.1:${await listening(createServer(listener))}`;
const client = (baseUrl: string, limits: Partial<HttpLimits> = {}) => {
  const dispatcher = httpDispatcher({ connectTimeoutMs: 1_000, connections: 4, maxAnswerBytes: 1_000, ...limits });
  closing.push(() => dispatcher.destroy());
  const endpoint = endpointOf(baseUrl);
  return {
    dispatcher,
    get: (path: string, signal = AbortSignal.timeout(5_000)) => requestJson(dispatcher, endpoint, { path, signal }),
    post: (path: string, body: unknown) => requestJson(dispatcher, endpoint, { path, body, signal: AbortSignal.timeout(5_000) }),
  };
};

describe('A JSON request', () => {
  it('keeps a path of the base in front of the path of a call, and credentials out of the URL', async () => {
    const url = await serve((request, response) =>
      response.end(JSON.stringify({ url: request.url, authorization: request.headers.authorization })),
    );
    const base = url.replace('http://', 'http://us%40er:pass@');
    expect(await client(`${base}/proxy/chroma/`).get('/api/v2/heartbeat')).toEqual({
      url: '/proxy/chroma/api/v2/heartbeat',
      authorization: `Basic ${Buffer.from('us@er:pass').toString('base64')}`,
    });
  });

  it('uses a connection again', async () => {
    const sockets = new Set<unknown>();
    const http = client(await serve((request, response) => void response.end(String(sockets.add(request.socket).size))), {
      connections: 1,
    });
    for (let i = 0; i < 5; i += 1) expect(await http.post('/', {})).toBe(1);
  });

  it('opens no more connections than allowed', async () => {
    const sockets = new Set<unknown>();
    const http = client(
      await serve((request, response) => void setImmediate(() => response.end(String(sockets.add(request.socket).size)))),
    );
    await Promise.all(Array.from({ length: 50 }, () => http.post('/', {})));
    expect(sockets.size).toBe(4);
  });

  it('gives up on a connection that does not come to stand', async () => {
    // Accepts and never says a word: a TLS handshake that hangs.
    const port = await listening(createTcpServer((socket) => void socket.on('error', () => undefined).resume()));
    const startedAt = performance.now();
    const http = client(`https://127.0.0.1:${port}`, { connectTimeoutMs: 100 });
    await expect(http.get('/')).rejects.toMatchObject({ code: 'UND_ERR_CONNECT_TIMEOUT' });
    expect(performance.now() - startedAt).toBeLessThan(5_000); // what undici allows by itself: 10 s
  });

  it('does not mistake a slow answer for a slow connection', async () => {
    const http = client(await serve((_, response) => void setTimeout(() => response.end('1'), 1_500)), { connectTimeoutMs: 50 });
    expect(await http.get('/')).toBe(1);
  });

  it('hangs up when the signal fires', async () => {
    const { promise: hungUp, resolve } = Promise.withResolvers<void>();
    const caller = new AbortController();
    const http = client(
      await serve((_, response) => {
        response.once('close', resolve);
        caller.abort();
      }),
    );
    await expect(http.get('/', caller.signal)).rejects.toThrow(/abort/);
    await hungUp;
  });

  it('hangs up when the signal fires in the middle of an answer', async () => {
    const { promise: hungUp, resolve } = Promise.withResolvers<void>();
    const caller = new AbortController();
    const http = client(
      await serve((_, response) => void response.once('close', resolve).write('{"a":', () => setTimeout(() => caller.abort(), 50))),
    );
    await expect(http.get('/', caller.signal)).rejects.toThrow(/abort/);
    await hungUp;
  });

  it('does not follow a redirect, which would carry the key elsewhere', async () => {
    const url = await serve((_, response) => response.writeHead(307, { location: 'http://elsewhere.example/' }).end());
    await expect(client(url).post('/', {})).rejects.toMatchObject({ status: 307 });
  });

  it('keeps the answer of a failure out of what is logged', async () => {
    const url = await serve((_, response) => response.writeHead(500).end('{"quoted":"a private text"}'));
    const error = await client(url)
      .post('/x', {})
      .then(
        () => expect.unreachable('it did not fail'),
        (failure: unknown) => failure as HttpFailure,
      );
    const { inspect } = await import('node:util');
    expect(error.message).toBe('POST /x answered 500');
    expect(error.body).toContain('private');
    expect(inspect(error) + JSON.stringify(error)).not.toContain('private');
  });
});

describe('A request on a kept-alive connection that turns out dead', () => {
  /** Answers each request whose number is in `answered` with that number, and destroys the connection of any other. */
  const server = async (...answered: number[]) => {
    const bodies: string[] = [];
    const url = await serve((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const count = bodies.push(Buffer.concat(parts).toString());
        if (answered.includes(count)) response.end(String(count));
        else request.socket.resetAndDestroy();
      });
    });
    return { url, bodies };
  };

  it('is sent again on a new connection, but not when a new one dies', async () => {
    const { url, bodies } = await server(1, 3);
    const http = client(url, { connections: 1 });
    expect(await http.post('/', { no: 1 })).toBe(1);
    expect(await http.post('/', { no: 2 })).toBe(3);
    await expect(http.post('/', { no: 3 })).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(bodies).toEqual(['{"no":1}', '{"no":2}', '{"no":2}', '{"no":3}', '{"no":3}']);
  });

  it('is sent again by fetch too, whose bodies are streams', async () => {
    const { url, bodies } = await server(1, 3);
    const options: RequestInit = { method: 'POST', body: '{"whole":true}' };
    const { dispatcher } = client(url, { connections: 1 });
    for (const expected of ['1', '3']) {
      const answer = await fetch(url, { ...options, dispatcher });
      expect(await answer.text()).toBe(expected);
    }
    expect(bodies).toEqual(['{"whole":true}', '{"whole":true}', '{"whole":true}']);
  });

  it('fails when the answer has begun', async () => {
    let requests = 0;
    const url = await serve((_, response) => {
      requests += 1;
      if (requests === 1) response.end('1');
      else response.writeHead(200, { 'content-length': '10' }).write('{', () => response.destroy());
    });
    const http = client(url, { connections: 1 });
    await http.get('/');
    await expect(http.get('/')).rejects.toThrow(/terminated|closed/);
    expect(requests).toBe(2);
  });
});
