import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { mayBeEmptied } from '#lib/runtime/work/caches';
import { metrics } from '#lib/runtime/metrics/metrics';
import { EmbedderPort } from '../embedder.port.js';

/** A text up to this length is its own key; a longer one is known by its SHA-256, which as base64 is longer than any of these. */
const OWN_KEY_LENGTH = 40;

/** What the remembered vectors may take in all, in bytes, whatever the length of one: 100,000 of 384 dimensions take 170 MB, of 3,072 they would 1.2 GB. */
const MAX_BYTES = 268_435_456;
/** Key, entry and header of a vector, in bytes. */
const ENTRY_BYTES = 200;

/**
 * Remembers the vectors of the texts used last (R101), so that the same text costs the model once: greetings, repeated searches, a batch
 * that is tried again. Lives as long as the embedder it belongs to, so its keys need no model. The vectors are shared: callers must not write into them.
 */
export class CachedEmbedder extends EmbedderPort {
  readonly model: string;
  readonly dimension: number;
  private readonly vectors: LRUCache<string, Float32Array> | undefined;

  /** `size` in texts, and within `maxBytes`; 0 remembers nothing, but still embeds a text once that comes several times in one call. */
  constructor(
    private readonly inner: EmbedderPort,
    size: number,
    maxBytes = MAX_BYTES,
  ) {
    super();
    this.model = inner.model;
    this.dimension = inner.dimension;
    this.vectors =
      size > 0 ? new LRUCache({ max: size, maxSize: maxBytes, sizeCalculation: ({ byteLength }) => byteLength + ENTRY_BYTES }) : undefined;
    if (this.vectors !== undefined) mayBeEmptied(this.vectors);
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    const results: (Float32Array | undefined)[] = [];
    const missing = new Map<string, { text: string; places: number[] }>();
    for (const [i, text] of texts.entries()) {
      const key = keyOf(text);
      const known = this.vectors?.get(key);
      if (known !== undefined) {
        results[i] = known;
        metrics.embeddingCacheHits.inc();
        continue;
      }
      const others = missing.get(key);
      if (others === undefined) missing.set(key, { text, places: [i] });
      else others.places.push(i);
    }
    if (missing.size > 0) await this.learn(missing, results);
    return results as Float32Array[];
  }

  override close(): void {
    this.inner.close();
  }

  private async learn(
    missing: ReadonlyMap<string, { readonly text: string; readonly places: readonly number[] }>,
    results: (Float32Array | undefined)[],
  ): Promise<void> {
    const learnt = await this.inner.embed([...missing.values()].map(({ text }) => text));
    let next = 0;
    for (const [key, { places }] of missing) {
      const vector = learnt[next];
      next += 1;
      if (vector === undefined) throw new Error(`${this.model} gave ${learnt.length} vectors for ${missing.size} texts`);
      this.vectors?.set(key, vector);
      for (const place of places) results[place] = vector;
    }
  }
}

const keyOf = (text: string): string => (text.length <= OWN_KEY_LENGTH ? text : hash('sha256', text, 'base64'));
