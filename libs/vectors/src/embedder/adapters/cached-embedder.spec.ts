import { describe, expect, it } from 'vitest';
import { metrics } from '#lib/runtime/metrics/metrics';
import { embedderContract } from '../embedder.contract.js';
import { EmbedderPort } from '../embedder.port.js';
import { LocalEmbedder } from './local-embedder.js';
import { CachedEmbedder } from './cached-embedder.js';

embedderContract('RememberedEmbedder', async () => ({ embedder: new CachedEmbedder(new LocalEmbedder(), 1_000) }));

/** The local embedder, with a note of what it was asked. */
class CountingEmbedder extends EmbedderPort {
  private readonly local = new LocalEmbedder();
  readonly model = this.local.model;
  readonly dimension = this.local.dimension;
  readonly asked: string[][] = [];

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    this.asked.push([...texts]);
    return this.local.embed(texts);
  }
}

const hits = async () => (await metrics.embeddingCacheHits.get()).values[0]?.value ?? 0;

describe('a cached embedder', () => {
  it('asks the model only for what it has not seen', async () => {
    const model = new CountingEmbedder();
    const remembered = new CachedEmbedder(model, 10);
    await remembered.embed(['a', 'b']);
    await remembered.embed(['b', 'c', 'a']);
    await remembered.embed(['a', 'b', 'c']);
    expect(model.asked).toEqual([['a', 'b'], ['c']]);
  });

  it('is bounded in bytes, however many texts it may cache', async () => {
    const model = new CountingEmbedder();
    // Vectors of 384 dimensions: 1,536 bytes each and what an entry takes; two of them fit.
    const remembered = new CachedEmbedder(model, 1_000, 4_000);
    await remembered.embed(['a', 'b', 'c']);
    await remembered.embed(['b', 'c']);
    await remembered.embed(['a']);
    expect(model.asked).toEqual([['a', 'b', 'c'], ['a']]);
  });

  it('embeds a text once that comes several times in one call', async () => {
    for (const size of [0, 10]) {
      const model = new CountingEmbedder();
      const vectors = await new CachedEmbedder(model, size).embed(['hello', 'world', 'hello']);
      expect(model.asked).toEqual([['hello', 'world']]);
      expect(vectors[2]).toBe(vectors[0]);
      expect(vectors).toHaveLength(3);
    }
  });

  it('counts the texts it did not have to ask for', async () => {
    const before = await hits();
    const remembered = new CachedEmbedder(new CountingEmbedder(), 10);
    await remembered.embed(['a', 'b']);
    await remembered.embed(['a', 'b', 'c']);
    expect((await hits()) - before).toBe(2);
  });

  it('forgets the text that was not used for longest', async () => {
    const model = new CountingEmbedder();
    const remembered = new CachedEmbedder(model, 2);
    await remembered.embed(['a']);
    await remembered.embed(['b']);
    await remembered.embed(['a']);
    await remembered.embed(['c']);
    await remembered.embed(['a', 'b']);
    expect(model.asked).toEqual([['a'], ['b'], ['c'], ['b']]);
  });

  it('tells long texts apart, also from the key of another', async () => {
    const model = new CountingEmbedder();
    const remembered = new CachedEmbedder(model, 10);
    const long = 'x'.repeat(16_000);
    const { hash } = await import('node:crypto');
    await remembered.embed([`${long}a`, `${long}b`]);
    await remembered.embed([`${long}b`, hash('sha256', `${long}a`, 'base64')]);
    expect(model.asked[1]).toEqual([hash('sha256', `${long}a`, 'base64')]);
  });

  it('remembers nothing of a call that failed', async () => {
    class Failing extends CountingEmbedder {
      override async embed(texts: readonly string[]): Promise<Float32Array[]> {
        if (this.asked.push([...texts]) === 1) throw new Error('model away');
        return super.embed(texts);
      }
    }
    const remembered = new CachedEmbedder(new Failing(), 10);
    await expect(remembered.embed(['a'])).rejects.toThrow('model away');
    expect(await remembered.embed(['a'])).toHaveLength(1);
  });
});
