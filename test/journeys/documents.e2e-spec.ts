import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { DocumentView } from '#lib/contracts/documents';
import { freePorts } from '#lib/devstack/ports/free-ports';
import type { PrivateServer } from '#lib/devstack/process/server-process';
import { startChroma } from '#lib/devstack/servers/chroma';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { eventually } from '#lib/testing/eventually';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { ChromaVectorStore } from '#lib/vectors/store/adapters/chroma-vector-store';

let chroma: PrivateServer;
let folder: string;
let parley: RunningParley;
let alice: ParleyClient;
let bob: ParleyClient;
let mallory: ParleyClient;
let store: ChromaVectorStore;
let database: Client;

beforeAll(async () => {
  // Its own: a repair removes the vectors of messages that this Parley does not know, so those of every other test.
  folder = await mkdtemp(join(tmpdir(), 'parley-documents-'));
  const [port = 0] = await freePorts(1);
  chroma = await startChroma({ folder, port, logFile: join(folder, 'chroma.log'), pidFile: join(folder, 'chroma.pid') });
  parley = await startParley({ stack: { ...inject('stack'), chromaUrl: chroma.url } });
  [alice, bob, mallory] = await Promise.all([parley.client('alice'), parley.client('bob'), parley.client('mallory')]);
  store = new ChromaVectorStore({ url: parley.chromaUrl, model: 'local-lexical-v1', dimension: 384 }, createBreakers());
  database = new Client({ connectionString: parley.databaseUrl });
  await database.connect();
});
afterAll(async () => {
  await database?.end();
  store?.close();
  await parley?.stop();
  await chroma?.kill();
  await rm(folder, { recursive: true, force: true });
});

const upload = async (client: ParleyClient, document: object, key?: string) => {
  const answer = await client.request('POST', '/v1/documents', document, key === undefined ? {} : { 'idempotency-key': key });
  return { ...answer, document: answer.body as DocumentView };
};
const stateOf = async (client: ParleyClient, id: string) => (await client.request('GET', `/v1/documents/${id}`)).body as DocumentView;
const done = (client: ParleyClient, id: string, timeoutMs = 30_000) =>
  eventually(async () => expect((await stateOf(client, id)).state).toBe('done'), { timeoutMs, everyMs: 200, what: 'the document is done' });

/** Vectors in the store, what the ledger says of them, and what the document says. */
const countsOf = async (id: string) => {
  const { rows } = await database.query<{ id: string; chunkCount: number | null }>(
    `SELECT p.id, l.chunk_count AS "chunkCount" FROM document_parts p LEFT JOIN message_chunks l ON l.message_id = p.id WHERE p.document_id = $1`,
    [id],
  );
  const stored = Map.groupBy(await store.chunksOf(rows.map((row) => row.id)), ({ messageId }) => messageId);
  return {
    wrong: rows.filter((row) => (stored.get(row.id)?.length ?? 0) !== row.chunkCount).length,
    vectors: [...stored.values()].reduce((sum, chunks) => sum + chunks.length, 0),
  };
};

describe('a document', () => {
  it('is found beside messages, in English and in Vietnamese, by words and by vectors, with the passage that matches', async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: ['bob'] });
    const filler = 'Every tenant gets a copy of this paper and keeps it. '.repeat(400);
    const rules = `${filler}\n\n${'The zeppelin hangar is closed on Sundays. '.repeat(15)}\n\n${filler}`;
    const recipe = `${'Một câu bình thường không nói gì. '.repeat(100)}\n\n${'Phở bò nấu với quế, hồi và thảo quả trong mười hai giờ. '.repeat(10)}`;
    const english = await upload(alice, { conversationId, title: 'House rules', content: rules });
    const vietnamese = await upload(bob, { conversationId, title: 'Công thức', content: recipe });
    const message = await alice.send(conversationId, 'Who has been to the zeppelin hangar?');
    expect(english).toMatchObject({ status: 202, document: { state: 'pending', ownerId: 'alice', title: 'House rules' } });
    expect(english.headers.get('location')).toBe(`/v1/documents/${english.document.id}`);
    await Promise.all([done(bob, english.document.id), done(alice, vietnamese.document.id)]);

    for (const mode of ['hybrid', 'dense', 'sparse'] as const) {
      for (const [q, wanted, passage] of [
        ['zeppelin hangar closed on Sundays', english.document, 'zeppelin hangar'],
        ['pho bo que hoi thao qua', vietnamese.document, 'thảo quả'],
      ] as const) {
        const { items, degraded } = await bob.search({ q, mode, conversationId });
        expect({ q, mode, degraded, first: items[0]?.message.id }).toEqual({ q, mode, degraded: [], first: wanted.id });
        expect(items[0]).toMatchObject({
          kind: 'document',
          document: { id: wanted.id, title: wanted.title },
          message: { seq: 0, senderId: wanted.ownerId, conversationId },
        });
        expect(items[0]?.message.content).toContain(passage);
        expect(items[0]?.message.content.length).toBeLessThanOrEqual(1_000);
        expect(items.filter(({ message: found }) => found.id === wanted.id)).toHaveLength(1);
      }
    }
    await eventually(async () => {
      const { items } = await bob.search({ q: 'zeppelin hangar', conversationId });
      expect(items.map(({ kind }) => kind).sort()).toEqual(['document', 'message']);
    });
    const bySender = (await bob.request('GET', `/v1/search?q=zeppelin+hangar&senderId=bob`)).body as { items: unknown[] };
    expect(bySender.items).toEqual([]);
    const context = (
      await alice.request('POST', `/v1/conversations/${conversationId}/context`, { query: 'zeppelin hangar', maxTokens: 500 })
    ).body as { items: { message: { id: string } }[] };
    expect(context.items.map(({ message: { id } }) => id)).toEqual([message.id]);
  });

  it('is there for members only, and the same for the same key', async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: ['bob'] });
    const body = { conversationId, title: 'Plan', content: 'A quokka in the wardrobe' };
    const [one, again] = [await upload(bob, body, 'key-1'), await upload(bob, body, 'key-1')];
    expect([again.status, again.document.id, again.headers.get('idempotency-replayed')]).toEqual([202, one.document.id, 'true']);
    expect((await upload(bob, { ...body, content: 'Another' }, 'key-1')).status).toBe(422);
    await done(alice, one.document.id);
    expect((await mallory.request('GET', `/v1/documents/${one.document.id}`)).status).toBe(404);
    expect((await upload(mallory, body)).status).toBe(404);
    expect((await mallory.search({ q: 'quokka wardrobe' })).items).toEqual([]);
    expect((await bob.search({ q: 'quokka wardrobe' })).items).toHaveLength(1);
    await alice.request('DELETE', `/v1/conversations/${conversationId}/members/bob`);
    expect((await bob.request('GET', `/v1/documents/${one.document.id}`)).status).toBe(404);
    for (const mode of ['hybrid', 'dense', 'sparse'] as const) expect((await bob.search({ q: 'quokka wardrobe', mode })).items).toEqual([]);
  });

  it('of 10 MB has exactly its vectors after its indexer was killed in the middle', { timeout: 240_000 }, async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    let number = 0;
    const sentence = () =>
      `Entry ${(number += 1)} of the log names ${(number * 7_919).toString(36)} and the ${(number * 104_729).toString(36)} valley. `;
    const content = Array.from({ length: 175_000 }, (_, i) => (i % 20 === 19 ? `${sentence()}\n\n` : sentence()))
      .join('')
      .slice(0, 10_400_000);
    const { status, document } = await upload(alice, { conversationId, title: 'Log', content });
    expect(status).toBe(202);
    const { id } = document;
    const indexed = async () => (await stateOf(alice, id)).parts.indexed;
    await eventually(async () => expect(await indexed()).toBeGreaterThan(document.parts.total / 10), { timeoutMs: 60_000, everyMs: 100 });
    await parley.embedding.kill();
    const before = await indexed();
    expect(before).toBeLessThan(document.parts.total);
    await parley.embedding.start();
    await done(alice, id, 180_000);
    const view = await stateOf(alice, id);
    expect(view).toMatchObject({ parts: { indexed: document.parts.total }, chunks: { indexed: document.chunks.total } });
    expect(await countsOf(id)).toEqual({ wrong: 0, vectors: document.chunks.total });
    const letters = await (await parley.client('root', ['admin'])).request('GET', '/v1/admin/dead-letters?limit=10');
    expect(letters.body).toMatchObject({ items: [] });
  });
});

describe('consistency', () => {
  it('counts no document as an orphan and has lost vectors of one made again', { timeout: 90_000 }, async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    const { document } = await upload(alice, { conversationId, title: 'Lost', content: 'A narwhal in the bathtub. '.repeat(2_000) });
    await done(alice, document.id);
    const { rows } = await database.query<{ id: string }>('SELECT id FROM document_parts WHERE document_id = $1 ORDER BY place', [
      document.id,
    ]);
    const [first = ''] = rows.map((row) => row.id);
    await store.remove((await store.chunksOf([first])).map(({ id }) => id));
    await database.query(`UPDATE document_parts SET created_at = created_at - interval '1 hour' WHERE document_id = $1`, [document.id]);
    const admin = await parley.client('root', ['admin']);
    await admin.request('POST', '/v1/admin/consistency/repair');
    await eventually(async () => expect(await countsOf(document.id)).toEqual({ wrong: 0, vectors: document.chunks.total }), {
      timeoutMs: 60_000,
      everyMs: 300,
      what: 'the vectors are there again',
    });
    expect((await stateOf(alice, document.id)).state).toBe('done');
  });
});
