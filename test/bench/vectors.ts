import { ChromaClient } from 'chromadb';
import { newId } from '#lib/contracts/ids';
import type { RunningParley } from '#lib/testing/running-parley';
import { LocalEmbedder } from '#lib/vectors/embedder/adapters/local-embedder';
import { postMessages, type Sender } from './load.js';
import { backlogOf, untilIndexed } from './pipeline.js';
import { askDatabase } from './targets.js';
import { chatText } from './text.js';

/** Vectors per second of Parley working off a backlog and of Chroma by itself, over the same stretch of a growing collection. */
export interface VectorFigure {
  readonly chromaPerSecond: number;
  readonly parleyPerSecond: number;
  /** Vectors that the collection held before, in both cases: each one more makes the next a little dearer. */
  readonly heldBefore: number;
  readonly written: number;
}

/** Lets Parley work off a backlog of at least `messages`, then gives Chroma as many vectors of the same kind, from the same size on. */
export const compareVectorRates = async (parley: RunningParley, senders: readonly Sender[], messages: number): Promise<VectorFigure> => {
  const heldBefore = await indexedCount(parley);
  const { perSecond: parleyPerSecond, written } = await backlogRate(parley, senders, messages);
  const chromaPerSecond = await chromaBatchRate(parley.chromaUrl, heldBefore, written);
  return { chromaPerSecond, parleyPerSecond, heldBefore, written };
};

/** From the first to the last vector of the backlog. */
const backlogRate = async (parley: RunningParley, senders: readonly Sender[], messages: number) => {
  await parley.embedding.stop();
  while ((await backlogOf(parley)) < messages) {
    await postMessages({ baseUrl: parley.url, senders, seconds: 2, content: chatText });
  }
  const backlog = await backlogOf(parley);
  await parley.embedding.start();
  const marks: [number, number][] = [];
  await untilIndexed(parley, 300_000, (left) => marks.push([performance.now(), left]));
  const first = marks.find(([, left]) => left < backlog) ?? marks[0];
  const last = marks.at(-1);
  if (first === undefined || last === undefined || last[0] === first[0]) return { perSecond: 0, written: backlog };
  return { perSecond: (first[1] - last[1]) / ((last[0] - first[0]) / 1_000), written: backlog };
};

/** What Chroma by itself takes in batches of 100, two requests at a time, nothing else running. */
const chromaBatchRate = async (chromaUrl: string, heldBefore: number, count: number): Promise<number> => {
  const { hostname, port } = new URL(chromaUrl);
  const client = new ChromaClient({ host: hostname, port: Number(port), ssl: false });
  const name = `bench-${Date.now()}`;
  const collection = await client.createCollection({ name, embeddingFunction: null, configuration: { hnsw: { space: 'cosine' } } });
  const write = async (batches: readonly Batch[]): Promise<void> => {
    let next = 0;
    const writer = async () => {
      for (let batch = batches[next++]; batch !== undefined; batch = batches[next++]) await collection.upsert(batch);
    };
    await Promise.all([writer(), writer()]);
  };
  await write(await batchesOf(heldBefore));
  const prepared = await batchesOf(count);
  const startedAt = performance.now();
  await write(prepared);
  const perSecond = (prepared.length * BATCH_SIZE) / ((performance.now() - startedAt) / 1_000);
  await client.deleteCollection({ name });
  return perSecond;
};

const BATCH_SIZE = 100;

type Batch = Awaited<ReturnType<typeof batchesOf>>[number];

/** Records as Parley writes them: vectors of such texts, metadata of these names and lengths. */
const batchesOf = async (count: number) => {
  const embedder = new LocalEmbedder();
  const conversations = Array.from({ length: 100 }, newId);
  const senders = Array.from({ length: 100 }, (_, i) => `bench-${i}`);
  const batches = Array.from({ length: Math.ceil(count / BATCH_SIZE) }, async () => {
    const messageIds = Array.from({ length: BATCH_SIZE }, newId);
    const vectors = await embedder.embed(messageIds.map(chatText));
    return {
      ids: messageIds.map((id) => `${id}#chunk_0`),
      embeddings: vectors.map((vector) => Array.from(vector)),
      metadatas: messageIds.map((messageId, i) => ({
        messageId,
        conversationId: conversations[i] ?? '',
        senderId: senders[i] ?? '',
        seq: i,
        version: 1,
        createdAtMs: Date.now(),
        kind: 'message',
      })),
    };
  });
  return Promise.all(batches);
};

const indexedCount = async (parley: RunningParley): Promise<number> => {
  const [row] = await askDatabase<{ count: string }>(parley.databaseUrl, `SELECT count(*) FROM message_chunks WHERE state = 'indexed'`);
  return Number(row?.count ?? 0);
};
