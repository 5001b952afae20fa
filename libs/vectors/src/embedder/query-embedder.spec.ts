import { expect, it } from 'vitest';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { LocalEmbedder } from '#lib/vectors/embedder/adapters/local-embedder';
import { EmbedderPort } from '#lib/vectors/embedder/embedder.port';
import { QueryEmbedder } from './query-embedder.js';

class SilentEmbedder extends EmbedderPort {
  readonly model = 'silent';
  readonly dimension = 3;
  override embed(): Promise<Float32Array[]> {
    return new Promise(() => undefined);
  }
}

it('a query embedder passes on what its model answers', async () => {
  const embedder = new QueryEmbedder(new LocalEmbedder(), createBreakers());
  expect(embedder).toMatchObject({ model: 'local-lexical-v1', dimension: 384 });
  expect(await embedder.embed(['coffee'])).toEqual(await new LocalEmbedder().embed(['coffee']));
});

it('a query embedder does not wait for a model that hangs, and soon does not even ask it', async () => {
  const embedder = new QueryEmbedder(new SilentEmbedder(), createBreakers());
  const impatient = await Promise.allSettled(Array.from({ length: 6 }, () => embedder.embed(['coffee'])));
  expect(impatient.map((outcome) => outcome.status === 'rejected' && outcome.reason.kind)).toContain('timeout');
  await expect(embedder.embed(['coffee'])).rejects.toMatchObject({ dependency: 'embedder', kind: 'open', wasTried: false });
});
