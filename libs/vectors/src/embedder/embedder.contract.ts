import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EmbedderPort } from './embedder.port.js';

/** What every embedder promises. `make` is called once; `stop` after the last test. */
export function embedderContract(name: string, make: () => Promise<{ embedder: EmbedderPort; stop?: () => Promise<void> }>): void {
  describe(`${name} as an embedder`, () => {
    let embedder: EmbedderPort;
    let stop: (() => Promise<void>) | undefined;
    beforeAll(async () => ({ embedder, stop } = await make()));
    afterAll(async () => stop?.());

    it('names its model and the length of its vectors', () => {
      expect(embedder.model).not.toBe('');
      expect(embedder.dimension).toBeGreaterThan(0);
    });

    it('answers nothing to nothing', async () => {
      expect(await embedder.embed([])).toEqual([]);
    });

    it.each([
      ['a word', 'coffee'],
      ['Vietnamese', 'Tối nay mình đi uống cà phê nhé'],
      ['no text at all', ''],
      ['white space', ' \n\t '],
      ['punctuation', '?!...'],
      ['emoji', '😀👨‍👩‍👧‍👦🇻🇳👍🏽'],
      ['a script without spaces', '今天天气很好，我们去公园'],
      ['a lone surrogate', 'a\ud800b'],
      ['the longest message there is', 'xin chào '.repeat(2_000).slice(0, 16_384)],
    ])('gives a unit-length vector for %s', async (_, text) => {
      const vectors = await embedder.embed([text]);
      expect(vectors).toHaveLength(1);
      expect(vectors[0]).toBeInstanceOf(Float32Array);
      expect(vectors[0]).toHaveLength(embedder.dimension);
      expect(cosine(vectors[0], vectors[0])).toBeCloseTo(1, 5);
    });

    it('keeps the order of the texts, however many there are', async () => {
      const texts = Array.from({ length: 150 }, (_, i) => `message number ${i} about subject ${i * 7}`);
      const together = await embedder.embed(texts);
      expect(together).toHaveLength(texts.length);
      for (const i of [0, 31, 32, 63, 100, 149]) {
        const [alone] = await embedder.embed([texts[i] ?? '']);
        expect(cosine(alone, together[i])).toBeCloseTo(1, 4);
      }
    });

    it('gives the same text the same vector, in one call and in two', async () => {
      const [one, other] = await embedder.embed(['see you at noon', 'see you at noon']);
      const [later] = await embedder.embed(['see you at noon']);
      expect(cosine(one, other)).toBeCloseTo(1, 5);
      expect(cosine(one, later)).toBeCloseTo(1, 5);
    });
  });
}

/** Cosine similarity of two unit-length vectors; NaN when one is missing. */
export function cosine(one: Float32Array | undefined, other: Float32Array | undefined): number {
  if (one === undefined || other === undefined || one.length !== other.length) return Number.NaN;
  return one.reduce((sum, value, i) => sum + value * (other[i] ?? Number.NaN), 0);
}
