import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ChromaClient } from 'chromadb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DependencyError } from '#lib/resilience/call/errors';
import { aMessageCreated } from '#lib/testing/builders';
import { chunkMessage } from '../../chunking/chunk-message.js';
import { ChromaApi } from './chroma-api.js';
import { chromaHeartbeat, ChromaVectorStore, collectionName } from './chroma-vector-store.js';
import type { ChunkDirectory } from './chunk-directory.js';
import { HttpFailure } from '#lib/resilience/adapters/http/json-request';

const ID = newId();

/** A server that answers as Chroma 1.0 was seen to answer, unless a test says otherwise. */
let server: Server;
let requests: {
  readonly path: string;
  readonly operation: string;
  readonly body: Record<string, unknown>;
  readonly headers: IncomingHttpHeaders;
}[];
let url: string;
let answers: Record<string, (response: ServerResponse) => void>;
let store: ChromaVectorStore;

const reply =
  (body: unknown, status = 200) =>
  (response: ServerResponse) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

beforeEach(async () => {
  requests = [];
  answers = {
    collections: reply({ id: 'c1', dimension: null, configuration_json: { hnsw: { space: 'cosine' } } }),
    upsert: reply({}),
    delete: reply({}),
    query: reply({ ids: [[]], distances: [[]] }),
    get: reply({ ids: [], metadatas: [] }),
  };
  server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const operation = /\/collections(?:$|\/parley-)/.test(request.url ?? '') ? 'collections' : (request.url?.split('/').at(-1) ?? '');
      requests.push({
        path: request.url ?? '',
        operation,
        body: parts.length > 0 ? JSON.parse(Buffer.concat(parts).toString()) : {},
        headers: request.headers,
      });
      answers[operation]?.(response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  store = new ChromaVectorStore({ url, model: 'test', dimension: 3, indexWorkers: 2 }, createBreakers());
});
afterEach(async () => {
  store.close();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const chunks = (count: number, facts: Parameters<typeof aMessageCreated>[0] = {}) =>
  Array.from({ length: count }, () => chunkMessage(aMessageCreated({ content: 'hi', ...facts }).data)).flat();
const put = (count: number, mayHaveOlder?: readonly string[]) =>
  store.replace(
    chunks(count),
    Array.from({ length: count }, () => Float32Array.of(1, 0, 0)),
    mayHaveOlder === undefined ? { removed: [] } : { removed: [], mayHaveOlder },
  );
const operations = () => requests.map(({ operation }) => operation);
const query = () => store.nearest(Float32Array.of(1, 0, 0), [newId()], 5);
const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable('it did not fail'),
    (error: unknown) => error as Error,
  );

describe('ChromaVectorStore', () => {
  it('does nothing before the first call', () => {
    expect(operations()).toEqual([]);
  });

  it('costs new messages one round trip', async () => {
    await put(1, []);
    requests = [];
    await put(100, []);
    expect(operations()).toEqual(['upsert']);
  });

  it('asks what is left of older versions after it has written, and deletes only that', async () => {
    const edited = chunks(50, { version: 2 });
    const [first, second] = edited;
    const replace = () =>
      store.replace(
        edited,
        edited.map(() => Float32Array.of(1, 0, 0)),
        { removed: [], mayHaveOlder: edited.map(({ messageId }) => messageId) },
      );
    answers['get'] = reply({
      ids: [`${first?.messageId}#chunk_0`, `${first?.messageId}#chunk_1`, `${second?.messageId}#chunk_1`],
      // The last one belongs to a version that another worker has just written: it must stay.
      metadatas: [{ version: 2 }, { version: 1 }, { version: 3 }],
    });
    await replace();
    expect(operations()).toEqual(['collections', 'upsert', 'get', 'delete']);
    expect(requests.at(-1)?.body).toEqual({ ids: [`${first?.messageId}#chunk_1`] });
    answers['get'] = reply({ ids: [`${first?.messageId}#chunk_0`], metadatas: [{ version: 2 }] });
    requests = [];
    await replace();
    expect(operations()).toEqual(['upsert', 'get']);
  });

  it('writes at most 100 records per call and one call at a time, however many write', async () => {
    let running = 0;
    let most = 0;
    answers['upsert'] = answers['delete'] = (response) => {
      running += 1;
      most = Math.max(most, running);
      // Long enough for one call too many to show up.
      setTimeout(() => {
        running -= 1;
        reply({})(response);
      }, 30);
    };
    await Promise.all([put(250, []), put(200, []), store.replace([], [], { removed: [newId()] })]);
    const sizes = requests.flatMap(({ operation, body }) => (operation === 'upsert' ? [(body['ids'] as string[]).length] : []));
    expect(sizes.sort((a, b) => b - a)).toEqual([100, 100, 100, 100, 50]);
    expect(most).toBe(1);
  });

  it('sends vectors as 32-bit floats in base64', async () => {
    await put(1, []);
    const [encoded = ''] = requests.flatMap(({ body }) => (body['embeddings'] as string[] | undefined) ?? []);
    expect([...new Float32Array(new Uint8Array(Buffer.from(encoded, 'base64')).buffer)]).toEqual([1, 0, 0]);
  });

  describe('with a directory', () => {
    const messageIds = Array.from({ length: 15 }, newId);
    const at = (...places: number[]) => places.map((place) => messageIds[place] ?? '');
    const stored = (count: number) => messageIds.slice(0, count).map((messageId) => ({ messageId, id: `${messageId}#chunk_0` }));
    const nearest = reply({ ids: [stored(15).map(({ id }) => id)], distances: [stored(15).map((_, i) => i / 100)] });
    const open = (directory: ChunkDirectory) => {
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      store.close();
      store = new ChromaVectorStore({ url, model: 'test', dimension: 3, directory }, createBreakers());
    };
    const seeing = (...messageIds: string[]): ChunkDirectory => ({
      seenAmong: async (asked) => new Set(asked.filter((id) => messageIds.includes(id))),
      allSeen: async () => undefined,
    });

    it('fetches the vectors of a reader of few and compares them itself, best first', async () => {
      open({ seenAmong: () => expect.unreachable('not needed'), allSeen: async () => ['a#chunk_0', 'b#chunk_0', 'c#chunk_0'] });
      answers['get'] = reply({
        ids: ['a#chunk_0', 'b#chunk_0', 'c#chunk_0'],
        embeddings: [
          [0, 1, 0],
          [1, 0, 0],
          [0.6, 0.8, 0],
        ],
      });
      const found = await store.nearest(Float32Array.of(1, 0, 0), [newId()], 2);
      expect(found.map(({ messageId, score }) => [messageId, Number(score.toFixed(3))])).toEqual([
        ['b', 1],
        ['c', 0.6],
      ]);
      expect(operations()).toEqual(['collections', 'get']);
    });

    it('asks Chroma nothing for a reader of no message', async () => {
      open({ ...seeing(), allSeen: async () => [] });
      expect(await query()).toEqual([]);
      expect(operations()).toEqual([]);
    });

    it('takes vectors that are not made of numbers as its fault', async () => {
      open({ ...seeing(), allSeen: async () => ['a#chunk_0'] });
      answers['get'] = reply({ ids: ['a#chunk_0'], embeddings: [['x', 0, 0]] });
      expect(await failureOf(query())).toMatchObject({ dependency: 'chroma', kind: 'unavailable' });
    });

    it('takes what its reader may see of the nearest of all', async () => {
      open(seeing(...at(1, 3, 4, 8, 9, 14)));
      answers['query'] = nearest;
      expect((await query()).map(({ messageId }) => messageId)).toEqual(at(1, 3, 4, 8, 9));
      expect(requests.map(({ body }) => body['where'])).toEqual([undefined, undefined]);
    });

    it('leaves it to the filter when that is not enough', async () => {
      open(seeing(...at(1, 3, 4, 8)));
      answers['query'] = nearest;
      const conversationId = newId();
      await store.nearest(Float32Array.of(1, 0, 0), [conversationId], 5);
      expect(requests.slice(1).map(({ body }) => body['where'])).toEqual([undefined, { conversationId: { $in: [conversationId] } }]);
    });

    it('fails with the directory', async () => {
      open({ ...seeing(), allSeen: () => Promise.reject(new DependencyError('postgres', 'reads', 'timeout')) });
      expect(await failureOf(query())).toMatchObject({ dependency: 'postgres' });
    });
  });

  it.each([
    ['500', (response: ServerResponse) => reply({ error: 'InternalError', message: 'disk I/O error' }, 500)(response)],
    ['503', (response: ServerResponse) => reply({}, 503)(response)],
    ['429', (response: ServerResponse) => reply({}, 429)(response)],
    ['401 from a proxy in front of it', (response: ServerResponse) => reply({}, 401)(response)],
    ['404 for a collection it has just given', (response: ServerResponse) => reply({}, 404)(response)],
    ['something that is not JSON', (response: ServerResponse) => void response.end('<html>')],
    ['another shape', (response: ServerResponse) => reply({ rows: [] })(response)],
    ['a reset', (response: ServerResponse) => void response.socket?.resetAndDestroy()],
  ])('takes %s as its fault', async (_, answer) => {
    answers['query'] = answer;
    const error = await failureOf(query());
    expect(error).toBeInstanceOf(DependencyError);
    expect(error).toMatchObject({ dependency: 'chroma', operation: 'query', kind: 'unavailable' });
  });

  it('takes 400 as ours, and no breaker counts it', async () => {
    answers['query'] = reply({ error: 'InvalidArgumentError', message: 'Invalid where clause' }, 400);
    for (let i = 0; i < 10; i += 1) expect(await failureOf(query())).toBeInstanceOf(HttpFailure);
    answers['query'] = reply({ ids: [[`${ID}#chunk_0`]], distances: [[0.25]] });
    expect(await query()).toEqual([{ id: `${ID}#chunk_0`, messageId: ID, score: 0.75 }]);
  });

  it('waits as long as 429 asks for', async () => {
    answers['query'] = (response) => void response.writeHead(429, { 'retry-after': '7' }).end('{}');
    expect(await failureOf(query())).toMatchObject({ kind: 'unavailable', retryAfterMs: 7_000 });
  });

  it.each([413, 422])('takes %i as ours, and no breaker counts it', async (status) => {
    answers['query'] = reply({}, status);
    for (let i = 0; i < 10; i += 1) expect(await failureOf(query())).toMatchObject({ name: 'HttpFailure', status });
  });

  it('keeps what Chroma says about a request out of what is logged', async () => {
    answers['query'] = reply({ error: 'InvalidArgumentError', message: 'quoting a private text' }, 400);
    const error = await failureOf(query());
    const { inspect } = await import('node:util');
    expect(inspect(error, { depth: 10 }) + JSON.stringify(error)).not.toContain('private');
  });

  it('does not follow a redirect, which would carry the token elsewhere', async () => {
    answers['query'] = (response) => void response.writeHead(307, { location: `${url}/elsewhere` }).end();
    expect(await failureOf(query())).toMatchObject({ kind: 'unavailable', cause: { status: 307 } });
    expect(operations()).not.toContain('elsewhere');
  });

  it('stops reading an endless answer', { timeout: 30_000 }, async () => {
    answers['get'] = (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const part = Buffer.alloc(1_048_576, ' ');
      const write = () => {
        while (!response.destroyed && response.write(part));
      };
      response.on('drain', write);
      write();
    };
    const chroma = new ChromaApi({ url }, 1);
    // Not through the store: on a busy machine 64 MB take longer than the 2 s of a query.
    const read = chroma.inCollection('get', ID, AbortSignal.timeout(20_000), (records) => records.get({ ids: ['x'] }));
    expect(await failureOf(read)).toMatchObject({ code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' });
    chroma.close();
  });

  it('refuses a compressed answer, whose length once unpacked has no limit', async () => {
    answers['query'] = (response) =>
      void response
        .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
        .end(gzipSync(JSON.stringify({ ids: [[]], distances: [[]] })));
    const error = await failureOf(query());
    expect(String(error.cause)).toContain('a compressed answer');
    expect(requests.at(-1)?.headers).toMatchObject({ 'accept-encoding': 'identity' });
  });

  it('gets its connections back from answers that are not read', async () => {
    answers['query'] = (response) => void response.writeHead(403, { 'content-length': '1000' }).write('{');
    const single = new ChromaApi({ url }, 1);
    const get = () =>
      single.inCollection('query', ID, AbortSignal.timeout(2_000), (records) => records.query({ queryEmbeddings: [[1, 0, 0]] }));
    for (let i = 0; i < 3; i += 1) expect(await failureOf(get())).toMatchObject({ status: 403 });
    single.close();
  });

  it('loads no module that the description of a collection names', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-named-'));
    const module = join(folder, 'named.mjs');
    await writeFile(module, 'globalThis.wasLoaded = true;');
    const name = `${'../'.repeat(12)}${module.slice(1)}`;
    const configuration_json = { hnsw: { space: 'cosine' }, embedding_function: { type: 'known', name, config: {} } };
    const described = reply({ id: ID, name: 'x', tenant: 't', database: 'd', dimension: null, metadata: null, configuration_json });
    answers['collections'] = described;
    await query();
    await put(1, []);
    expect(globalThis).not.toHaveProperty('wasLoaded');
    // What the store is kept from: the client itself loads it. When this fails, ADR 12 can be simplified.
    const { hostname, port } = new URL(url);
    await new ChromaClient({ host: hostname, port: Number(port), ssl: false }).getCollection({ name: store.collection });
    expect(globalThis).toHaveProperty('wasLoaded');
    Reflect.deleteProperty(globalThis, 'wasLoaded');
    await rm(folder, { recursive: true });
  });

  it('keeps a path of the URL in front of every call, and its credentials in a header', async () => {
    const behindProxy = new ChromaVectorStore(
      { url: url.replace('http://', 'http://us%40er:pass@').concat('/proxy/'), model: 'test', dimension: 3 },
      createBreakers(),
    );
    await behindProxy.nearest(Float32Array.of(1, 0, 0), [newId()], 5);
    behindProxy.close();
    expect(requests.map(({ path, headers }) => [path.split('/')[1], headers.authorization])).toEqual([
      ['proxy', `Basic ${Buffer.from('us@er:pass').toString('base64')}`],
      ['proxy', `Basic ${Buffer.from('us@er:pass').toString('base64')}`],
    ]);
  });

  it('cancels a query at the server when the time of its caller is up', async () => {
    await query(); // connected, and the collection is known: the next one reaches the server at once
    const { promise: hungUp, resolve } = Promise.withResolvers<void>();
    answers['query'] = (response) => void response.once('close', resolve);
    const startedAt = performance.now();
    const error = await failureOf(withDeadline(300, query));
    expect(error.message).toMatch(/timeout|deadline/);
    expect(performance.now() - startedAt).toBeLessThan(1_900); // the query itself has 2 s
    await hungUp;
  });

  it('ends a query after 2 s by itself', async () => {
    answers['query'] = () => undefined;
    const startedAt = performance.now();
    expect(await failureOf(query())).toMatchObject({ kind: 'timeout' });
    expect(performance.now() - startedAt).toBeGreaterThan(1_900);
    expect(performance.now() - startedAt).toBeLessThan(6_000);
  });

  it('cancels only the call whose time is up', async () => {
    answers['query'] = (response) => void setTimeout(() => reply({ ids: [[`${ID}#chunk_0`]], distances: [[0]] })(response), 250);
    const [first, second] = await Promise.allSettled([withDeadline(80, query), query()]);
    expect(first.status).toBe('rejected');
    expect(second).toMatchObject({ status: 'fulfilled', value: [{ score: 1 }] });
  });

  it('looks the collection up again when Chroma does not know it any more', async () => {
    await put(1, []);
    let isKnown = false;
    answers['collections'] = (response) => {
      isKnown = true;
      reply({ id: 'c2', dimension: null, configuration_json: { hnsw: { space: 'cosine' } } })(response);
    };
    answers['upsert'] = (response) => reply({}, isKnown ? 200 : 404)(response);
    requests = [];
    await put(1, []);
    expect(operations()).toEqual(['upsert', 'collections', 'upsert']);
  });
});

describe('the name of a collection', () => {
  it.each([
    ['local-lexical-v1', 384, 'parley-messages-local-lexical-v1-384'],
    ['nomic-embed-text:latest', 768, 'parley-messages-nomic-embed-text-latest-768'],
    ['BAAI/bge-m3', 1_024, 'parley-messages-baai-bge-m3-1024'],
    ['_odd_', 8, 'parley-messages-odd-8'],
  ])('of %s', (model, dimension, expected) => {
    expect(collectionName(model, dimension)).toBe(expected);
  });
});

describe('a token', () => {
  it('goes with every call, the heartbeat included, in both headers that servers look at', async () => {
    answers['heartbeat'] = reply({ 'nanosecond heartbeat': 1 });
    const guarded = new ChromaVectorStore({ url, token: 'chroma-secret', model: 'test', dimension: 3 }, createBreakers());
    await guarded.chunksOf([newId()]);
    await chromaHeartbeat({ url, token: 'chroma-secret' })(AbortSignal.timeout(2_000));
    guarded.close();
    expect(operations()).toContain('heartbeat');
    for (const { headers } of requests) {
      expect(headers).toMatchObject({ authorization: 'Bearer chroma-secret', 'x-chroma-token': 'chroma-secret' });
    }
  });

  it('is not sent when there is none', async () => {
    await store.chunksOf([newId()]);
    expect(requests[0]?.headers).not.toHaveProperty('authorization');
    expect(requests[0]?.headers).not.toHaveProperty('x-chroma-token');
  });
});
