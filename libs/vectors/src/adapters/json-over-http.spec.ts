import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpFailure, JsonOverHttp } from './json-over-http.js';

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
const client = (baseUrl: string, options: { connectTimeoutMs?: number; maxSockets?: number; maxAnswerBytes?: number } = {}) => {
  const made = new JsonOverHttp({ baseUrl, connectTimeoutMs: 1_000, maxSockets: 4, maxAnswerBytes: 1_000, ...options });
  closing.push(async () => made.close());
  return made;
};
const inTime = () => AbortSignal.timeout(5_000);

describe('JSON over HTTP', () => {
  it('keeps a path of the base in front of the path of a call, and credentials out of the URL', async () => {
    const url = await serve((request, response) =>
      response.end(JSON.stringify({ url: request.url, authorization: request.headers.authorization })),
    );
    const base = url.replace('http://', 'http://us%40er:pass@');
    expect(await client(`${base}/proxy/chroma/`).get('/api/v2/heartbeat', inTime())).toEqual({
      url: '/proxy/chroma/api/v2/heartbeat',
      authorization: `Basic ${Buffer.from('us@er:pass').toString('base64')}`,
    });
  });

  it('uses a connection again', async () => {
    const sockets = new Set<unknown>();
    const http = client(await serve((request, response) => void response.end(String(sockets.add(request.socket).size))));
    for (let i = 0; i < 5; i += 1) expect(await http.post('/', {}, inTime())).toBe(1);
  });

  it('opens no more connections than allowed', async () => {
    const sockets = new Set<unknown>();
    const http = client(
      await serve((request, response) => void setImmediate(() => response.end(String(sockets.add(request.socket).size)))),
    );
    await Promise.all(Array.from({ length: 50 }, () => http.post('/', {}, inTime())));
    expect(sockets.size).toBe(4);
  });

  it('gives up on a connection that does not come to stand', async () => {
    // Accepts and never says a word: a TLS handshake that hangs.
    const port = await listening(createTcpServer((socket) => void socket.on('error', () => undefined).resume()));
    const startedAt = performance.now();
    const http = client(`https://127.0.0.1:${port}`, { connectTimeoutMs: 100 });
    await expect(http.get('/', inTime())).rejects.toThrow('not connected within 100 ms');
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('does not mistake a slow answer for a slow connection', async () => {
    const http = client(await serve((_, response) => void setTimeout(() => response.end('1'), 150)), { connectTimeoutMs: 50 });
    expect(await http.get('/', inTime())).toBe(1);
  });

  it('hangs up when the signal fires', async () => {
    const { promise: hungUp, resolve } = Promise.withResolvers<void>();
    const http = client(await serve((_, response) => void response.once('close', resolve)));
    await expect(http.get('/', AbortSignal.timeout(50))).rejects.toThrow(/abort/);
    await hungUp;
  });

  it('hangs up when the signal fires in the middle of an answer', async () => {
    const http = client(await serve((_, response) => void response.write('{"a":')));
    await expect(http.get('/', AbortSignal.timeout(50))).rejects.toThrow(/abort/);
  });

  it('does not follow a redirect, which would carry the key elsewhere', async () => {
    const url = await serve((_, response) => response.writeHead(307, { location: 'http://elsewhere.example/' }).end());
    await expect(client(url).post('/', {}, inTime())).rejects.toMatchObject({ status: 307 });
  });

  it('tries once more on a new connection when a used one turns out dead, but not when a new one does', async () => {
    let requests = 0;
    const http = client(
      await serve((request, response) => {
        requests += 1;
        if (requests === 1) response.end('1');
        else if (requests === 3) response.end('3');
        else request.socket.destroy();
      }),
    );
    expect(await http.get('/', inTime())).toBe(1);
    expect(await http.get('/', inTime())).toBe(3);
    await expect(http.get('/', inTime())).rejects.toThrow('socket hang up');
  });

  it('keeps the answer of a failure out of what is logged', async () => {
    const url = await serve((_, response) => response.writeHead(500).end('{"quoted":"a private text"}'));
    const error = await client(url)
      .post('/x', {}, inTime())
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
