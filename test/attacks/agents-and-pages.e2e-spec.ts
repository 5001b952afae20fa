import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { AdminReader } from '#lib/testing/admin-reader';
import { eventually } from '#lib/testing/eventually';
import { metricsOf } from '#lib/testing/metrics-of';
import { AttackedParley } from './attacked-parley.js';
import { RawClient } from './raw-client.js';

// Families S5 (clients that ask for much) and S18 (headers that claim something) at the endpoint of agents, the pages of the console and the
// stream of operators. What an agent may see: objects-of-others.

let attacked: AttackedParley;
let url: string;
beforeAll(async () => {
  // Without it the gateway names the WebSocket by the host that the caller wrote.
  attacked = await AttackedParley.start({ stack: inject('stack'), env: { CONSOLE_REALTIME_URL: '' } });
  url = attacked.parley.url;
});
afterAll(() => attacked?.stop());

const FOR_MS = 4_000;

/** The head and the body of the answer to one request, whose lines are written as they are. */
const asked = async (...head: string[]): Promise<{ status: number | undefined; text: string }> => {
  const client = await RawClient.to(url);
  client.writeHead(...head, 'Connection: close', '');
  const text = await client.read(() => false);
  client.close();
  return { status: client.status, text };
};

describe('an agent that is over its quota', () => {
  it('hurts only itself with messages that are dear to read', async () => {
    const mallory = await attacked.parley.client('mallory');
    // 128 KB of as many values as a message may have.
    const filling = Array.from({ length: 19_900 }, (_, i) => i % 10);
    const dear = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping', params: { _meta: { filling, more: 'x'.repeat(85_000) } } });
    expect(dear.length).toBeLessThan(131_072);
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const statuses = new Map<number, number>();
    const complaints = await attacked.brokenBy(async () => {
      const endsAt = performance.now() + FOR_MS;
      const ask = async () => {
        while (performance.now() < endsAt) {
          const { status } = await mallory.requestRaw('POST', '/mcp', dear, headers);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
      };
      await Promise.all(Array.from({ length: 6 }, ask));
    });
    expect(complaints).toEqual([]);
    expect(new Set(statuses.keys())).toEqual(new Set([200, 429]));
  });

  it('hurts only itself with tool calls that are refused', async () => {
    const mallory = await attacked.parley.client('mallory-2');
    const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'search_messages', arguments: { q: 'coffee' } } };
    const complaints = await attacked.brokenBy(async () => {
      const endsAt = performance.now() + FOR_MS;
      const ask = async () => {
        while (performance.now() < endsAt) await mallory.request('POST', '/mcp', call, { accept: 'application/json, text/event-stream' });
      };
      await Promise.all(Array.from({ length: 8 }, ask));
    });
    expect(complaints).toEqual([]);
  });
});

describe('an operator who opens streams again and again, and reads none', () => {
  it('hurts only itself, and takes no place from another operator', async () => {
    const token = await attacked.parley.tokenOf({ user: 'olga', scopes: ['admin'] });
    const clients: RawClient[] = [];
    const complaints = await attacked.brokenBy(async () => {
      const endsAt = performance.now() + FOR_MS;
      while (performance.now() < endsAt) {
        const client = await RawClient.to(url);
        client.writeHead('GET /v1/admin/live HTTP/1.1', 'Host: parley', `Authorization: Bearer ${token}`, '');
        clients.push(client);
        if (clients.length > 30) clients.shift()?.close();
        await sleep(20);
      }
    });
    expect(complaints).toEqual([]);
    const other = await AdminReader.open(url, await attacked.parley.tokenOf({ user: 'otto', scopes: ['admin'] }));
    await eventually(() => other.known('outbox'), { timeoutMs: 5_000 });
    await other.close();
    for (const client of clients) client.close();
  });
});

describe('a host that is none', () => {
  const hosts = ['999.1.1.1:8080', 'a:99999', '[', '[a]:80', `a",b="c`, "x; script-src 'unsafe-inline'"];

  it.each(hosts)('is no error of ours, and in no answer: %s', async (host) => {
    const uncaught = async () =>
      [...(await metricsOf(url))].filter(([name]) => name.startsWith('uncaught_errors_total')).reduce((sum, [, count]) => sum + count, 0);
    const before = await uncaught();
    const line = `Host: ${host}`;
    const page = await asked('GET / HTTP/1.1', line, 'Accept: text/html');
    const settings = await asked('GET /console.json HTTP/1.1', line);
    const challenge = await asked('POST /mcp HTTP/1.1', line, 'Content-Type: application/json', 'Content-Length: 0');
    const metadata = await asked('GET /.well-known/oauth-protected-resource/mcp HTTP/1.1', line);
    expect([page, settings, challenge, metadata].map(({ status }) => status)).toEqual([200, 200, 401, 400]);
    for (const { text } of [page, settings, challenge, metadata]) expect(text).not.toContain(host);
    expect(challenge.text).toContain('application/problem+json');
    expect(await uncaught()).toBe(before);
  });
});

describe('a path out of the folder of the console', () => {
  it.each([
    '/assets/../package.json',
    '/assets/..%2f..%2fpackage.json',
    '/assets/%2e%2e/%2e%2e/package.json',
    '/assets/..%5c..%5cpackage.json',
    '/assets/....//....//package.json',
    '/assets//etc/passwd',
    '/assets/%00',
    '/assets/%zz',
    '/assets/',
    '/assets/.',
    '/assets/nothing.js',
    '/assets/nothing.js.br',
    '/index.html',
    '/package.json',
  ])('leads nowhere: %s', async (path) => {
    const { status, text } = await asked(`GET ${path} HTTP/1.1`, 'Host: parley');
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(text.toLowerCase()).toContain('content-type: application/problem+json');
    expect(text.toLowerCase()).toContain('cache-control: no-store');
    expect(text).not.toMatch(/root:|"dependencies"/);
  });
});
