import { expect, it, vi } from 'vitest';
import { DependencyError } from '#lib/resilience/call/errors';
import { ConfigError } from '#lib/runtime/config/config';
import { createLogger } from '#lib/runtime/log/logger';
import { eventually } from '#lib/testing/eventually';
import { LocalEmbedder } from './embedder/adapters/local-embedder.js';
import { LateVectors } from './late-vectors.js';
import { LateVectorStore } from './store/late-vector-store.js';
import { MemoryVectorStore } from './store/adapters/memory-vector-store.js';

const logger = createLogger('test', 'fatal');
const parts = { embedder: new LocalEmbedder(), vectors: new MemoryVectorStore(384) };

it('the vector store is open after the start when its model answers', async () => {
  const late = new LateVectors(async () => parts, logger);
  expect(late.get).toThrow(DependencyError);
  await late.start();
  expect(late.get()).toBe(parts);
});

it('the vector store lets its process start without the model, and is open when the model is there', async () => {
  let isThere = false;
  const late = new LateVectors(async () => {
    if (!isThere) throw new Error('connection refused');
    return parts;
  }, logger);
  await late.start();
  expect(late.get).toThrow(DependencyError);
  isThere = true;
  await eventually(() => expect(late.get()).toBe(parts));
});

it('the vector store stops asking when its process stops', async () => {
  let tries = 0;
  const late = new LateVectors(() => Promise.reject(new Error(`try ${(tries += 1)}`)), logger);
  await late.start();
  late.stop();
  expect(tries).toBe(1);
});

it('the vector store and its model are closed when their process stops, also when they come up meanwhile', async () => {
  const closed: string[] = [];
  const fresh = () => {
    const made = { embedder: new LocalEmbedder(), vectors: new MemoryVectorStore(384) };
    vi.spyOn(made.embedder, 'close').mockImplementation(() => void closed.push('embedder'));
    vi.spyOn(made.vectors, 'close').mockImplementation(() => void closed.push('store'));
    return made;
  };
  const open = new LateVectors(async () => fresh(), logger);
  await open.start();
  open.stop();
  expect(closed).toEqual(['embedder', 'store']);

  const { promise, resolve } = Promise.withResolvers<ReturnType<typeof fresh>>();
  const slow = new LateVectors(() => promise, logger);
  const starting = slow.start();
  slow.stop();
  resolve(fresh());
  await starting;
  expect(closed).toHaveLength(4);
});

it('a process does not start with a model that can never be there', async () => {
  const late = new LateVectors(() => Promise.reject(new ConfigError(['EMBEDDING_MODEL: is required'])), logger);
  await expect(late.start()).rejects.toThrow(ConfigError);
});

it('the vector store is opened by its first call, once for all callers, and again after a failure', async () => {
  const build = vi.fn(async () => parts).mockRejectedValueOnce(new Error('connection refused'));
  const late = new LateVectors(build, logger);
  const store = new LateVectorStore(late);
  await expect(store.chunksOf([])).rejects.toThrow('connection refused');
  expect(await Promise.all([store.chunksOf([]), store.chunkIdsFrom(undefined, 1)])).toEqual([[], { ids: [], next: undefined }]);
  expect(build).toHaveBeenCalledTimes(2);
});
