import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DependencyError } from '#lib/resilience/call/errors';
import { aMessageCreated } from '#lib/testing/builders';
import { eventually } from '#lib/testing/eventually';
import { startChroma } from '#lib/devstack/servers/chroma';
import { freePorts } from '#lib/devstack/ports/free-ports';
import type { PrivateServer } from '#lib/devstack/process/server-process';
import type { Chunk } from '../../chunking/chunk.js';
import { chunkMessage } from '../../chunking/chunk-message.js';
import { CONTRACT_DIMENSION, vectorStoreContract } from '../vector-store.contract.js';
import type { VectorFilter } from '../vector-store.port.js';
import { ChromaVectorStore } from './chroma-vector-store.js';
import type { ChunkDirectory } from './chunk-directory.js';
import { httpDispatcher } from '#lib/resilience/adapters/http/http-dispatcher';
import { endpointOf, requestJson } from '#lib/resilience/adapters/http/json-request';
import { LocalEmbedder } from '../../embedder/adapters/local-embedder.js';

const COLLECTIONS = '/api/v2/tenants/default_tenant/databases/default_database/collections';
const embedder = new LocalEmbedder();
/** A model name, and so a collection, of its own for each test. */
const freshModel = () => `test-${randomBytes(6).toString('hex')}`;

const opened: { close(): void }[] = [];
const store = (url: string, model = freshModel(), dimension = CONTRACT_DIMENSION) => {
  const made = new ChromaVectorStore({ url, model, dimension }, createBreakers());
  opened.push(made);
  return made;
};
const dispatcher = httpDispatcher({ connectTimeoutMs: 1_000, connections: 4, maxAnswerBytes: 10_000_000 });
opened.push({ close: () => void dispatcher.destroy() });
const inTime = () => AbortSignal.timeout(10_000);
/** Chroma itself, past the store. */
const api = (url: string) => ({
  get: (path: string) => requestJson(dispatcher, endpointOf(url), { path, signal: inTime() }),
  post: (path: string, body: unknown) => requestJson(dispatcher, endpointOf(url), { path, body, signal: inTime() }),
  drop: (name: string) => fetch(`${url}${COLLECTIONS}/${name}`, { method: 'DELETE', signal: inTime() }),
});
const message = (content: string, facts: Parameters<typeof aMessageCreated>[0] = {}) =>
  chunkMessage(aMessageCreated({ content, ...facts }).data);
const put = async (into: ChromaVectorStore, chunks: ReturnType<typeof message>, mayHaveOlder: readonly string[] = []) =>
  into.replace(chunks, await embedder.embed(chunks.map(({ text }) => text)), { removed: [], mayHaveOlder });
const vectorOf = async (text: string) => (await embedder.embed([text]))[0] ?? new Float32Array();
const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable('it did not fail'),
    (error: unknown) => error as Error,
  );

afterAll(() => {
  for (const one of opened.splice(0)) one.close();
});

/** Chroma's index alone is approximate: of 40 near-equal vectors it was seen to miss one. */
const APPROXIMATE = { recall: 0.95 };

vectorStoreContract('ChromaVectorStore', async () => ({ store: store(inject('stack').chromaUrl) }), APPROXIMATE);

/** Lists the chunks that were written, as the tables in Postgres do. */
class ListedChunks implements ChunkDirectory {
  private readonly listed = new Map<string, Chunk>();

  constructor(private readonly isFew: boolean) {}

  write(chunks: readonly Chunk[], removed: readonly string[]): void {
    for (const { id, messageId, version } of this.listed.values()) {
      const isOlder = chunks.some((chunk) => chunk.messageId === messageId && chunk.version > version);
      if (isOlder || removed.includes(messageId)) this.listed.delete(id);
    }
    for (const chunk of chunks) this.listed.set(chunk.id, chunk);
  }

  async seenAmong(messageIds: readonly string[], visible: ReadonlySet<string>, filter: VectorFilter): Promise<Set<string>> {
    return new Set(this.of(visible, filter).flatMap(({ messageId }) => (messageIds.includes(messageId) ? [messageId] : [])));
  }

  async allSeen(visible: ReadonlySet<string>, filter: VectorFilter): Promise<string[] | undefined> {
    return this.isFew ? this.of(visible, filter).map(({ id }) => id) : undefined;
  }

  private of(visible: ReadonlySet<string>, { senderId, kind, fromMs = 0, toMs = Number.POSITIVE_INFINITY }: VectorFilter): Chunk[] {
    return [...this.listed.values()].filter(
      (chunk) =>
        visible.has(chunk.conversationId) &&
        (kind === undefined || (chunk.documentId === undefined) === (kind === 'message')) &&
        (senderId === undefined || chunk.senderId === senderId) &&
        chunk.createdAtMs >= fromMs &&
        chunk.createdAtMs <= toMs,
    );
  }
}

describe.each([
  ['that counts every reader as a reader of little', true],
  ['that counts no reader as a reader of little', false],
])('with a directory %s', (_, isFew) => {
  vectorStoreContract(
    'ChromaVectorStore',
    async () => {
      const directory = new ListedChunks(isFew);
      const made = new ChromaVectorStore(
        { url: inject('stack').chromaUrl, model: freshModel(), dimension: CONTRACT_DIMENSION, directory },
        createBreakers(),
      );
      opened.push(made);
      const replace = made.replace.bind(made);
      made.replace = async (chunks, embeddings, also) => {
        directory.write(chunks, also.removed);
        await replace(chunks, embeddings, also);
      };
      return { store: made };
    },
    isFew ? {} : APPROXIMATE,
  );
});

describe('the collection in Chroma', () => {
  const url = () => inject('stack').chromaUrl;

  it('is named after model and dimension, measures cosine and has no embedding function', async () => {
    const vectors = store(url(), `Nomic/embed-text:v1.5 ${freshModel()}`);
    await put(vectors, message('hello'));
    expect(vectors.collection).toMatch(/^parley-messages-nomic-embed-text-v1-5-test-[0-9a-f]{12}-384$/);
    expect(await api(url()).get(`${COLLECTIONS}/${vectors.collection}`)).toMatchObject({
      name: vectors.collection,
      dimension: 384,
      configuration_json: { hnsw: { space: 'cosine' }, embedding_function: null },
    });
  });

  it('holds the metadata that the contract names', async () => {
    const vectors = store(url());
    const chunks = message('hello', { senderId: 'bob', seq: 7, version: 2, createdAt: '2026-11-20T10:00:00.000Z' });
    await put(vectors, chunks);
    const { id } = (await api(url()).get(`${COLLECTIONS}/${vectors.collection}`)) as { id: string };
    const got = await api(url()).post(`${COLLECTIONS}/${id}/get`, {
      ids: chunks.map((chunk) => chunk.id),
      include: ['metadatas', 'documents'],
    });
    expect(got).toMatchObject({
      ids: [`${chunks[0]?.messageId}#chunk_0`],
      metadatas: [
        {
          conversationId: chunks[0]?.conversationId,
          messageId: chunks[0]?.messageId,
          senderId: 'bob',
          seq: 7,
          version: 2,
          createdAtMs: Date.parse('2026-11-20T10:00:00.000Z'),
          kind: 'message',
        },
      ],
    });
    // The text stays in Postgres.
    expect(JSON.stringify(got)).not.toContain('hello');
  });

  it('is made once when many begin at the same time', async () => {
    const model = freshModel();
    const chunks = Array.from({ length: 12 }, (_, i) => message(`first message ${i}`)).flat();
    const writers = chunks.map(() => store(url(), model));
    await Promise.all(chunks.map((chunk, i) => put(writers[i] ?? store(url(), model), [chunk])));
    expect(await store(url(), model).chunksOf(chunks.map(({ messageId }) => messageId))).toHaveLength(12);
  });

  it('is not made by reading', async () => {
    const vectors = store(url());
    expect(await vectors.nearest(await vectorOf('hello'), [newId()], 5)).toEqual([]);
    expect(await vectors.chunksOf([newId()])).toEqual([]);
    await vectors.replace([], [], { removed: [newId()] });
    await expect(api(url()).get(`${COLLECTIONS}/${vectors.collection}`)).rejects.toMatchObject({ status: 404 });
  });

  it('is found again after it was dropped, and after another process dropped and made it again', async () => {
    const model = freshModel();
    const [one, other] = [store(url(), model), store(url(), model)];
    const [first, second, third] = [message('first'), message('second'), message('third')];
    await put(one, first);
    await api(url()).drop(one.collection);
    expect(await one.chunksOf(first.map(({ messageId }) => messageId))).toEqual([]);
    await put(one, second);
    await api(url()).drop(one.collection);
    await put(other, third);
    expect(await one.chunksOf(third.map(({ messageId }) => messageId))).toHaveLength(1);
    await put(one, first);
    expect(await other.chunksOf([...first, ...third].map(({ messageId }) => messageId))).toHaveLength(2);
  });

  it('is refused with both dimensions when it holds vectors of another length', async () => {
    const vectors = store(url());
    const { id } = (await api(url()).post(COLLECTIONS, { name: vectors.collection, configuration: { hnsw: { space: 'cosine' } } })) as {
      id: string;
    };
    await api(url()).post(`${COLLECTIONS}/${id}/upsert`, { ids: ['x'], embeddings: [[1, 0, 0]], metadatas: [null] });
    const expected = `collection ${vectors.collection} holds vectors of 3 dimensions, got one of 384`;
    expect((await failureOf(put(vectors, message('hello')))).message).toContain(expected);
    expect((await failureOf(vectors.nearest(await vectorOf('hello'), [newId()], 5))).message).toContain(expected);
  });

  it('is refused with both dimensions when another writer puts other vectors into it after the look-up', async () => {
    const vectors = store(url());
    const { id } = (await api(url()).post(COLLECTIONS, { name: vectors.collection, configuration: { hnsw: { space: 'cosine' } } })) as {
      id: string;
    };
    expect(await vectors.chunksOf([newId()])).toEqual([]);
    await api(url()).post(`${COLLECTIONS}/${id}/upsert`, { ids: ['x'], embeddings: [[1, 0, 0]], metadatas: [null] });
    expect((await failureOf(put(vectors, message('hello')))).message).toContain('holds vectors of 3 dimensions, got one of 384');
  });

  it('is refused when it does not measure cosine', async () => {
    const vectors = store(url());
    await api(url()).post(COLLECTIONS, { name: vectors.collection, configuration: { hnsw: { space: 'l2' } } });
    const error = await failureOf(put(vectors, message('hello')));
    expect(String(error.cause)).toContain(`${vectors.collection} measures l2, not cosine`);
  });

  it('answers for a reader of more conversations than one statement of Chroma takes', async () => {
    const vectors = store(url());
    const conversations = Array.from({ length: 35_000 }, newId);
    const chunks = [0, 15_000, 34_999].map((i) => message(`needle ${i}`, { conversationId: conversations[i] ?? '' })).flat();
    await put(vectors, chunks);
    const found = await vectors.nearest(await vectorOf('needle 15000'), conversations, 2);
    expect(found).toHaveLength(2);
    expect(found[0]?.messageId).toBe(chunks[1]?.messageId);
  });

  it('finds nearly all of the true nearest among thousands', async () => {
    const vectors = store(url());
    const words = Array.from({ length: 400 }, (_, i) => `${(i * 7_919).toString(36)}${(i * 104_729).toString(36)}`);
    const conversationId = newId();
    const texts = Array.from({ length: 3_000 }, (_, i) =>
      [1, 7, 13, 31, 57].map((step) => words[(i * step + step * step) % 400]).join(' '),
    );
    const chunks = texts.flatMap((content) => message(content, { conversationId }));
    const embeddings = await embedder.embed(texts);
    await vectors.replace(chunks, embeddings, { removed: [], mayHaveOlder: [] });
    let hits = 0;
    for (let i = 0; i < 20; i += 1) {
      const query = await vectorOf(`${words[i * 3]} ${words[i * 5 + 1]} ${words[i * 11 + 2]}`);
      const scores = embeddings.map((vector) => vector.reduce((sum, value, j) => sum + value * (query[j] ?? 0), 0));
      const twentieth = [...scores].sort((a, b) => b - a)[19] ?? 1;
      const found = await vectors.nearest(query, [conversationId], 20);
      hits += found.filter(({ score }) => score >= twentieth - 1e-4).length;
    }
    expect(hits / 400).toBeGreaterThan(0.95);
  });
});

describe('a Chroma that is not well', () => {
  let chroma: PrivateServer;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-chroma-'));
    const [port = 0] = await freePorts(1);
    vi.stubEnv('CHROMA_CORS_ALLOW_ORIGINS', '["*"]'); // as it may be left over in a shell
    chroma = await startChroma({ folder, port, logFile: join(folder, 'chroma.log'), pidFile: join(folder, 'chroma.pid') });
    vi.unstubAllEnvs();
  });
  afterAll(async () => {
    await chroma.kill();
    await rm(folder, { recursive: true, force: true });
  });

  it('takes nothing from a page in a browser on the same machine, and listens on the loopback address only', async () => {
    const collections = `${chroma.url}/api/v2/tenants/default_tenant/databases/default_database/collections`;
    const from = { origin: 'http://elsewhere.example' };
    // What a page may send without asking first is not taken for JSON; when it asks first, it is not allowed.
    const simple = await fetch(collections, {
      method: 'POST',
      headers: { ...from, 'content-type': 'text/plain' },
      body: '{"name":"mine"}',
    });
    const preflight = await fetch(collections, {
      method: 'OPTIONS',
      headers: { ...from, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    });
    expect([simple.status, preflight.headers.get('access-control-allow-origin')]).toEqual([415, null]);
    const others = Object.values(networkInterfaces()).flatMap((found = []) =>
      found.filter(({ family, internal }) => family === 'IPv4' && !internal),
    );
    for (const { address } of others) {
      await expect(fetch(chroma.url.replace('127.0.0.1', address), { signal: AbortSignal.timeout(2_000) })).rejects.toThrow('fetch failed');
    }
  });

  it('does not keep a process from starting', async () => {
    await chroma.stop();
    const vectors = store(chroma.url);
    const error = await failureOf(put(vectors, message('hello')));
    expect(error).toBeInstanceOf(DependencyError);
    expect(error).toMatchObject({ dependency: 'chroma', kind: 'unavailable' });
    await chroma.start();
    await put(vectors, message('hello'));
  });

  it('is used again after a restart, with what it held, and without a failed call', async () => {
    const vectors = store(chroma.url);
    const before = message('before the restart');
    await put(vectors, before);
    await chroma.restart();
    expect(await vectors.nearest(await vectorOf('before the restart'), [before[0]?.conversationId ?? ''], 5)).toHaveLength(1);
    await put(vectors, message('after the restart'));
  });

  it('answers by the deadline of the caller when it says nothing, and is usable when it wakes up', async () => {
    const breakers = createBreakers();
    const vectors = new ChromaVectorStore({ url: chroma.url, model: freshModel(), dimension: CONTRACT_DIMENSION }, breakers);
    opened.push(vectors);
    const chunks = message('hello');
    await put(vectors, chunks);
    await chroma.pause();
    try {
      const startedAt = performance.now();
      const errors = await Promise.all([
        failureOf(withDeadline(300, () => put(vectors, chunks))),
        failureOf(withDeadline(200, async () => vectors.nearest(await vectorOf('hello'), [newId()], 5))),
        failureOf(vectors.chunksOf([newId()])),
      ]);
      expect(performance.now() - startedAt).toBeLessThan(8_000); // a read has 2 s, a write without a caller's deadline 10 s
      for (const error of errors) expect(error.message).toMatch(/timeout|deadline/);
      // Five queries without an answer open the breaker of queries, and only that one.
      await Promise.all(Array.from({ length: 6 }, async () => failureOf(vectors.nearest(await vectorOf('hello'), [newId()], 5))));
      expect(await failureOf(vectors.nearest(await vectorOf('hello'), [newId()], 5))).toMatchObject({ kind: 'open' });
    } finally {
      await chroma.resume();
    }
    await eventually(() => put(vectors, chunks));
    expect(await vectors.chunksOf(chunks.map(({ messageId }) => messageId))).toHaveLength(1);
  });
});
