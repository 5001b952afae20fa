import { ChromaClient } from 'chromadb';
import type { RunningParley } from '#lib/testing/running-parley';
import { postMessages, type Sender } from './load.js';
import { backlogOf, untilIndexed } from './pipeline.js';
import { chatText } from './text.js';

/** Vectors per second that Chroma takes by itself, in batches of 100 of 384 dimensions, two requests at a time, nothing else running. */
export const chromaBatchRate = async (chromaUrl: string, batches: number): Promise<number> => {
  const { hostname, port } = new URL(chromaUrl);
  const client = new ChromaClient({ host: hostname, port: Number(port), ssl: false });
  const name = `bench-${Date.now()}`;
  const collection = await client.createCollection({ name, embeddingFunction: null, configuration: { hnsw: { space: 'cosine' } } });
  const vector = () => Array.from({ length: 384 }, () => Math.random() - 0.5);
  const prepared = Array.from({ length: batches }, (_, batch) => ({
    ids: Array.from({ length: 100 }, (_unused, i) => `${batch}-${i}#chunk_0`),
    embeddings: Array.from({ length: 100 }, vector),
    metadatas: Array.from({ length: 100 }, (_unused, i) => ({
      conversationId: `c${i % 10}`,
      senderId: 'bench',
      seq: i,
      version: 1,
      createdAtMs: Date.now(),
      kind: 'message',
    })),
  }));
  let next = 0;
  const worker = async () => {
    for (let batch = prepared[next++]; batch !== undefined; batch = prepared[next++]) await collection.upsert(batch);
  };
  const startedAt = performance.now();
  await Promise.all([worker(), worker()]);
  const perSecond = (batches * 100) / ((performance.now() - startedAt) / 1_000);
  await client.deleteCollection({ name });
  return perSecond;
};

/** Vectors per second that Parley writes while it works off a backlog, from the first to the last of it. */
export const parleyBacklogRate = async (parley: RunningParley, senders: readonly Sender[], messages: number): Promise<number> => {
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
  if (first === undefined || last === undefined || last[0] === first[0]) return 0;
  return (first[1] - last[1]) / ((last[0] - first[0]) / 1_000);
};
