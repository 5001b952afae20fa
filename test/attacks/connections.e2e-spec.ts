import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { AttackedParley } from './attacked-parley.js';
import { RawClient } from './raw-client.js';

// Family S5: clients that send half, do not read, or ask for much. Law 9 is measured by bystanders beside each of them.

const MEGABYTE = 1_000_000;
const longTexts = Array.from({ length: 60 }, (_, i) => `${i} `.padEnd(16_384, 'long text '));

let attacked: AttackedParley;
let url: string;
beforeAll(async () => {
  attacked = await AttackedParley.start({ stack: inject('stack') });
  url = attacked.parley.url;
});
afterAll(() => attacked.stop());

/** What breaks when so many connections are opened one after another and something is written on each; all are closed when that is measured. */
const brokenBySockets = async (count: number, begin: (client: RawClient, index: number) => void): Promise<string[]> => {
  const clients: RawClient[] = [];
  const closeAll = () => clients.splice(0).forEach((client) => client.close());
  try {
    return await attacked.brokenBy(async () => {
      closeAll();
      for (let index = 0; index < count; index += 1) {
        const client = await RawClient.to(url).catch(() => undefined); // a limit of connections is an answer too
        if (client === undefined) continue;
        clients.push(client);
        begin(client, index);
      }
    });
  } finally {
    closeAll();
  }
};

it('the measurement shows no harm without an attack', async () => {
  expect(await attacked.brokenBy(async () => undefined)).toEqual([]);
});

describe('a client without a token', () => {
  it.each([
    ['an unknown route', 'POST /nope'],
    ['a method that a route does not have', 'PUT /v1/conversations'],
    ['a route that needs a token', 'POST /v1/conversations'],
  ])('hurts only itself with 1,100 half requests to %s', async (_, route) => {
    const complaints = await brokenBySockets(1_100, (client) =>
      client.writeHead(`${route} HTTP/1.1`, 'Host: parley', 'Content-Type: application/json', 'Content-Length: 5000', '', '{"a":1'),
    );
    expect(complaints).toEqual([]);
  });

  it('hurts only itself with 600 heads that never end', async () => {
    const complaints = await brokenBySockets(600, (client) => client.writeHead('GET /v1/conversations HTTP/1.1', 'Host: parley', 'X-A: 1'));
    expect(complaints).toEqual([]);
  });

  it('hurts only itself with a burst of 10 MB of JSON', async () => {
    const body = Buffer.from(`[${'{},'.repeat(3_300_000)}{}]`);
    const post = (path: string) =>
      fetch(url + path, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json' },
        signal: AbortSignal.timeout(30_000),
      }).catch(
        () => undefined, // refused before it was sent
      );
    const complaints = await attacked.brokenBy(() =>
      Promise.all(['/nope', '/v1/conversations', '/livez', '/'].flatMap((path) => [post(path), post(path)])),
    );
    expect(complaints).toEqual([]);
  });

  it('learns its status from the head alone', async () => {
    const statusOf = async (...head: string[]) => {
      const client = await RawClient.to(url);
      client.writeHead(...head, 'Host: parley', 'Content-Type: application/json', 'Content-Length: 1000', '');
      await client.read();
      client.close();
      return client.status;
    };
    expect(await statusOf('POST /nope HTTP/1.1')).toBe(404);
    expect(await statusOf('PUT /v1/conversations HTTP/1.1')).toBe(405);
    expect(await statusOf('POST /v1/conversations HTTP/1.1')).toBe(401);
  });
});

describe('a caller within its quota', () => {
  it('hurts only itself with 80 bodies that lack one byte', async () => {
    const token = await attacked.parley.tokenOf({ user: 'mallory' });
    const { id } = await (await attacked.parley.client('mallory')).createConversation({ memberIds: [] });
    const part = Buffer.alloc(MEGABYTE - 1, 0x20);
    const complaints = await brokenBySockets(80, (client) => {
      client.writeHead(
        `POST /v1/conversations/${id}/messages HTTP/1.1`,
        'Host: parley',
        `Authorization: Bearer ${token}`,
        'Content-Type: application/json',
        `Content-Length: ${MEGABYTE}`,
        '',
      );
      client.socket.write(part);
    });
    expect(complaints).toEqual([]);
  });

  it('hurts only itself when it does not read its answers', async () => {
    const id = await attacked.conversationWith('mallory-2', longTexts);
    const token = await attacked.parley.tokenOf({ user: 'mallory-2' });
    const complaints = await brokenBySockets(150, (client) =>
      client.writeHead(`GET /v1/conversations/${id}/messages?limit=200 HTTP/1.1`, 'Host: parley', `Authorization: Bearer ${token}`, ''),
    );
    expect(complaints).toEqual([]);
  });

  it('hurts only itself with the longest pages, as many as it may ask for', async () => {
    const mallory = await attacked.parley.client('mallory-3');
    const id = await attacked.conversationWith('mallory-3', longTexts);
    const complaints = await attacked.brokenBy(async () => {
      const endsAt = performance.now() + 5_000;
      const ask = async () => {
        while (performance.now() < endsAt) await mallory.request('GET', `/v1/conversations/${id}/messages?limit=200`);
      };
      await Promise.all(Array.from({ length: 8 }, ask));
    });
    expect(complaints).toEqual([]);
  });

  it('hurts only itself with 1,500 requests at once', async () => {
    const token = await attacked.parley.tokenOf({ user: 'mallory-4' });
    const complaints = await brokenBySockets(1_500, (client) =>
      client.writeHead('GET /v1/search?q=coffee HTTP/1.1', 'Host: parley', `Authorization: Bearer ${token}`, ''),
    );
    expect(complaints).toEqual([]);
  });
});
