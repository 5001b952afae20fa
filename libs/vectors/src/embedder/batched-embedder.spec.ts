import { describe, expect, it } from 'vitest';
import { DependencyError } from '#lib/resilience/call/errors';
import { runInContext } from '#lib/runtime/log/context';
import { showContent } from '#lib/runtime/trace/content';
import { type EndedSpan, exportSpansTo } from '#lib/runtime/trace/span';
import { LocalEmbedder } from './adapters/local-embedder.js';
import { BatchedEmbedder } from './batched-embedder.js';
import { embedderContract } from './embedder.contract.js';
import { EmbedderPort } from './embedder.port.js';

embedderContract('BatchedEmbedder', async () => ({
  embedder: new BatchedEmbedder(new LocalEmbedder(), { provider: 'local', batchSize: 32, concurrent: 2 }),
}));

/** Answers when told to, and notes what it was asked. A text is its own vector: [n]. */
class ObservedEmbedder extends EmbedderPort {
  readonly model = 'observed';
  readonly dimension = 1;
  readonly calls: (readonly string[])[] = [];
  running = 0;
  mostRunning = 0;

  constructor(private readonly answerAfter: (texts: readonly string[]) => Promise<void>) {
    super();
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    this.calls.push(texts);
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      await this.answerAfter(texts);
    } finally {
      this.running -= 1;
    }
    return texts.map((text) => Float32Array.of(Number(text)));
  }
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i));
const turns = async (count: number) => {
  for (let i = 0; i < count; i += 1) await Promise.resolve();
};

describe('a batched embedder', () => {
  it('come back in order although later ones are answered first', async () => {
    const inner = new ObservedEmbedder((texts) => turns(100 - Number(texts[0])));
    const vectors = await new BatchedEmbedder(inner, { provider: 'local', batchSize: 10, concurrent: 4 }).embed(numbers(95));
    expect(vectors.map(([value]) => value)).toEqual(numbers(95).map(Number));
    expect(inner.calls.map((texts) => texts.length).sort((a, b) => a - b)).toEqual([5, ...Array.from({ length: 9 }, () => 10)]);
  });

  it('run side by side, but no more of them than allowed', async () => {
    const inner = new ObservedEmbedder(() => turns(5));
    await new BatchedEmbedder(inner, { provider: 'local', batchSize: 1, concurrent: 3 }).embed(numbers(20));
    expect(inner.mostRunning).toBe(3);
  });

  it('stop with the first failure: it is thrown at once and nothing more is started', async () => {
    const never = new Promise<void>(() => undefined);
    const inner = new ObservedEmbedder(async (texts) => {
      if (texts[0] === '1') throw new Error('the second one fails');
      await never;
    });
    const embedding = new BatchedEmbedder(inner, { provider: 'local', batchSize: 1, concurrent: 2 }).embed(numbers(10));
    await expect(embedding).rejects.toThrow('the second one fails');
    expect(inner.calls).toEqual([['0'], ['1']]);
  });

  it('become smaller when the model cannot do them in time, down to one text, and larger again when it can', async () => {
    let inTime = 3;
    const inner = new ObservedEmbedder(async (texts) => {
      if (texts.length > inTime) throw new DependencyError('embedder', 'embed', 'timeout');
    });
    const embedder = new BatchedEmbedder(inner, { provider: 'local', batchSize: 16, concurrent: 1 });
    const sizes = async (count: number) => {
      inner.calls.length = 0;
      await embedder.embed(numbers(count)).catch(() => undefined);
      return inner.calls.map((texts) => texts.length);
    };
    expect([await sizes(20), await sizes(20), await sizes(20)]).toEqual([[16], [8], [4]]);
    inTime = 2;
    expect(await sizes(4)).toEqual([2, 2]);
    inTime = 100;
    expect((await sizes(60)).slice(0, 4)).toEqual([4, 8, 16, 16]);
  });

  it('have a span each, which shows the texts where content is switched on', async () => {
    const spans: EndedSpan[] = [];
    exportSpansTo((span) => void spans.push(span));
    try {
      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
      for (const isShown of [true, false]) {
        showContent(isShown);
        const embedder = new BatchedEmbedder(new LocalEmbedder(), { provider: 'local', batchSize: 2, concurrent: 1 });
        await runInContext({ traceparent }, () => embedder.embed(['one', 'two', 'three']));
      }
    } finally {
      exportSpansTo(undefined);
      showContent(false);
    }
    expect(spans.map(({ attributes }) => [attributes['app.texts'], attributes['langfuse.observation.input']])).toEqual([
      [2, 'one\ntwo'],
      [1, 'three'],
      [2, undefined],
      [1, undefined],
    ]);
    const facts = { 'gen_ai.operation.name': 'embeddings', 'gen_ai.provider.name': 'local', 'gen_ai.embeddings.dimension.count': 384 };
    for (const { attributes } of spans) expect(attributes).toMatchObject(facts);
  });

  it('keep their size when the model is out', async () => {
    const inner = new ObservedEmbedder(() => Promise.reject(new DependencyError('embedder', 'embed', 'unavailable')));
    const embedder = new BatchedEmbedder(inner, { provider: 'local', batchSize: 16, concurrent: 1 });
    for (let i = 0; i < 3; i += 1) await expect(embedder.embed(numbers(16))).rejects.toThrow('unavailable');
    expect(inner.calls.map((texts) => texts.length)).toEqual([16, 16, 16]);
  });
});
