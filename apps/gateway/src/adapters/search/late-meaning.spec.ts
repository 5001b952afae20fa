import { expect, it } from 'vitest';
import { DependencyError } from '#lib/resilience/call/errors';
import { ConfigError } from '#lib/runtime/config/config';
import { createLogger } from '#lib/runtime/log/logger';
import { eventually } from '#lib/testing/eventually';
import { LocalEmbedder } from '#lib/vectors/embedder/adapters/local-embedder';
import { MemoryVectorStore } from '#lib/vectors/store/adapters/memory-vector-store';
import { LateMeaning } from './late-meaning.js';

const logger = createLogger('test', 'fatal');
const parts = { embedder: new LocalEmbedder(), vectors: new MemoryVectorStore(384) };

it('is there after the start when its model answers', async () => {
  const meaning = new LateMeaning(async () => parts, logger);
  expect(meaning.get).toThrow(DependencyError);
  await meaning.start();
  expect(meaning.get()).toBe(parts);
});

it('lets the gateway start without its model, and is there when the model is', async () => {
  let isThere = false;
  const meaning = new LateMeaning(async () => {
    if (!isThere) throw new Error('connection refused');
    return parts;
  }, logger);
  await meaning.start();
  expect(meaning.get).toThrow(DependencyError);
  isThere = true;
  await eventually(() => expect(meaning.get()).toBe(parts));
});

it('stops asking when the gateway stops', async () => {
  let tries = 0;
  const meaning = new LateMeaning(() => Promise.reject(new Error(`try ${(tries += 1)}`)), logger);
  await meaning.start();
  meaning.stop();
  expect(tries).toBe(1);
});

it('does not start with a model that can never be there', async () => {
  const meaning = new LateMeaning(() => Promise.reject(new ConfigError(['EMBEDDING_MODEL: is required'])), logger);
  await expect(meaning.start()).rejects.toThrow(ConfigError);
});
