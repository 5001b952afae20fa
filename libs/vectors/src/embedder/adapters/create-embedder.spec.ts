import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { ConfigError, parseConfig } from '#lib/runtime/config/config';
import { metrics } from '#lib/runtime/metrics/metrics';
import { createEmbedder } from './create-embedder.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** An Ollama that gives every text the same vector of four numbers and notes how many texts each call had. */
async function startOllama() {
  const batches: number[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { input } = JSON.parse(Buffer.concat(parts).toString()) as { input: string[] };
      batches.push(input.length);
      response.end(JSON.stringify({ embeddings: input.map(() => [1, 2, 3, 4]) }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, batches };
}

const create = (env: Record<string, string> = {}, breakers = createBreakers()) =>
  createEmbedder(
    parseConfig({ DATABASE_URL: 'postgres://localhost/x', RABBITMQ_URL: 'amqp://localhost', CHROMA_URL: 'http://localhost:8000', ...env }),
    breakers,
  );
const NOBODY_LISTENS = 'http://127.0.0.1:1';

describe('the embedder of a configuration', () => {
  it('is the local one unless told otherwise', async () => {
    const embedder = await create();
    expect(embedder).toMatchObject({ model: 'local-lexical-v1', dimension: 384 });
    expect(await embedder.embed(['a', 'b', 'a'])).toHaveLength(3);
  });

  it('asks a remote model how long its vectors are when no setting says', async () => {
    const { url } = await startOllama();
    const embedder = await create({ EMBEDDING_PROVIDER: 'ollama', EMBEDDING_MODEL: 'unheard-of', EMBEDDING_BASE_URL: url });
    expect(embedder).toMatchObject({ model: 'unheard-of', dimension: 4 });
    expect(await embedder.embed(['hello'])).toHaveLength(1);
  });

  it('leaves nothing behind of the tries to ask a model that is away', async () => {
    const breakers = createBreakers();
    const { listeners } = breakers.of('embedder', 'embed', 60_000) as unknown as { listeners: Set<unknown> };
    const before = listeners.size;
    const env = { EMBEDDING_PROVIDER: 'ollama', EMBEDDING_BASE_URL: NOBODY_LISTENS, EMBEDDING_MODEL: 'unheard-of' };
    for (let tries = 0; tries < 3; tries += 1) await expect(create(env, breakers)).rejects.toThrow('EMBEDDING_DIMENSION is not set');
    expect(listeners.size).toBe(before);
  });

  it('needs no answer at start when the dimension is given or the model well known', async () => {
    const env = { EMBEDDING_PROVIDER: 'ollama', EMBEDDING_BASE_URL: NOBODY_LISTENS };
    expect(await create({ ...env, EMBEDDING_MODEL: 'unheard-of', EMBEDDING_DIMENSION: '12' })).toMatchObject({ dimension: 12 });
    expect(await create({ ...env, EMBEDDING_MODEL: 'nomic-embed-text:latest' })).toMatchObject({ dimension: 768 });
    expect(
      await create({ EMBEDDING_PROVIDER: 'openai', EMBEDDING_BASE_URL: NOBODY_LISTENS, EMBEDDING_MODEL: 'text-embedding-3-small' }),
    ).toMatchObject({ dimension: 1_536 });
  });

  it('says what to set when a model that must be asked does not answer', async () => {
    const asking = create({ EMBEDDING_PROVIDER: 'ollama', EMBEDDING_MODEL: 'unheard-of', EMBEDDING_BASE_URL: NOBODY_LISTENS });
    await expect(asking).rejects.toThrow('EMBEDDING_DIMENSION is not set, and unheard-of could not be asked');
  });

  it.each([
    ['EMBEDDING_MODEL', { EMBEDDING_PROVIDER: 'ollama' }],
    ['EMBEDDING_MODEL', { EMBEDDING_PROVIDER: 'openai' }],
    ['EMBEDDING_MODEL_DIR', { EMBEDDING_PROVIDER: 'transformers' }],
  ])('requires %s with %o', async (name, env) => {
    const creating = async () => create(env);
    await expect(creating()).rejects.toBeInstanceOf(ConfigError);
    await expect(creating()).rejects.toThrow(name);
  });

  it('sends a batch in parts, a text only once, and what it knows not at all', async () => {
    const { url, batches } = await startOllama();
    const embedder = await create({
      EMBEDDING_PROVIDER: 'ollama',
      EMBEDDING_MODEL: 'm',
      EMBEDDING_DIMENSION: '4',
      EMBEDDING_BASE_URL: url,
    });
    const texts = Array.from({ length: 100 }, (_, i) => `text ${i % 70}`);
    expect(await embedder.embed(texts)).toHaveLength(100);
    expect(batches.sort((a, b) => a - b)).toEqual([6, 32, 32]);
    expect(await embedder.embed(texts)).toHaveLength(100);
    expect(batches).toHaveLength(3);
  });

  it('measures each call of the model under the name of its provider', async () => {
    const { url } = await startOllama();
    const count = async () =>
      (await metrics.embeddingLatency.get()).values.find(
        ({ metricName, labels }) => metricName === 'embedding_latency_seconds_count' && labels['provider'] === 'ollama',
      )?.value ?? 0;
    const before = await count();
    const embedder = await create({
      EMBEDDING_PROVIDER: 'ollama',
      EMBEDDING_MODEL: 'm',
      EMBEDDING_DIMENSION: '4',
      EMBEDDING_BASE_URL: url,
    });
    await embedder.embed(Array.from({ length: 40 }, (_, i) => `measured ${i}`));
    expect((await count()) - before).toBe(2);
  });
});
