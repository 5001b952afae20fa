import { LRUCache } from 'lru-cache';
import { TokenCounterPort } from '../context/token-counter.port.js';

/**
 * Texts are counted in pieces of this many UTF-16 units. The tokenizer's time grows with the square of a run without spaces: 16,384 Chinese
 * characters took 2.6 s in one piece. A cut adds at most a token or two.
 */
const PIECE_LENGTH = 256;
/** The event loop is let go after this much counting, in milliseconds. */
const TURN_MS = 10;
/**
 * UTF-16 units of the texts whose counts are remembered, at most 8 MB of them: messages of a conversation are counted again with every request for
 * its context, and a limit by number would let the longest messages take hundreds of megabytes.
 */
const REMEMBERED_UNITS = 4_000_000;

type Encoding = typeof import('gpt-tokenizer/encoding/o200k_base');

/** Counts with OpenAI's o200k_base vocabulary, loaded when first asked: it takes 80 MB that a gateway without LLM agents need not spend. */
export class BpeTokenCounter extends TokenCounterPort {
  private readonly remembered = new LRUCache<string, number>({
    maxSize: REMEMBERED_UNITS,
    sizeCalculation: (_count, text) => text.length + 1,
  });
  private encoding: Promise<Encoding> | undefined;

  async count(texts: readonly string[]): Promise<number[]> {
    this.encoding ??= import('gpt-tokenizer/encoding/o200k_base');
    const { countTokens } = await this.encoding;
    const counts: number[] = [];
    let turnEndsAt = performance.now() + TURN_MS;
    for (const text of texts) {
      let count = this.remembered.get(text);
      if (count === undefined) {
        count = 0;
        for (const piece of piecesOf(text)) {
          // What looks like a control token of the model is text here: a person may write anything.
          count += countTokens(piece, { disallowedSpecial: new Set() });
          if (performance.now() < turnEndsAt) continue;
          await new Promise((resolve) => setImmediate(resolve));
          turnEndsAt = performance.now() + TURN_MS;
        }
        this.remembered.set(text, count);
      }
      counts.push(count);
    }
    return counts;
  }
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;

/** Pieces end at white space where there is some, and never inside a surrogate pair. */
const piecesOf = function* (text: string): Generator<string> {
  let from = 0;
  while (from < text.length) {
    let to = Math.min(text.length, from + PIECE_LENGTH);
    if (to < text.length) {
      const space = text.lastIndexOf(' ', to);
      if (space > from + PIECE_LENGTH / 2) to = space;
      else if (isHighSurrogate(text.charCodeAt(to - 1))) to -= 1;
    }
    yield text.slice(from, to);
    from = to;
  }
};
