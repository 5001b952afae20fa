/**
 * Texts are counted in pieces of this many UTF-16 units: the tokenizer's time grows with the square of a run without spaces. Measured from 32 to
 * 1,024, pieces of 64 and more cost the same and add at most 1 % to the count.
 */
const PIECE_LENGTH = 128;

type Encoding = typeof import('gpt-tokenizer/encoding/o200k_base');

let encoding: Promise<Encoding> | undefined;

// Text that looks like a control token of the model counts as text.
const AS_TEXT = { disallowedSpecial: new Set<string>() };

/** Merged pieces that the tokenizer caches; its default of 100,000 grows by tens of megabytes on texts that never repeat. */
const MERGES_REMEMBERED = 10_000;

const load = async (): Promise<Encoding> => {
  const loaded = await import('gpt-tokenizer/encoding/o200k_base');
  loaded.setMergeCacheSize(MERGES_REMEMBERED);
  return loaded;
};

/**
 * Tokens of each text in OpenAI's o200k_base vocabulary, up to the text with which their sum passes `limit` (text-work.port.ts). The vocabulary
 * is loaded by the first call, because it takes 80 MB and half a second.
 */
export const countTokens = async (texts: readonly string[], limit: number): Promise<number[]> => {
  encoding ??= load();
  const { countTokens: countPiece } = await encoding;
  const counts: number[] = [];
  let left = limit;
  for (const text of texts) {
    let count = 0;
    for (const piece of piecesOf(text, PIECE_LENGTH)) {
      count += countPiece(piece, AS_TEXT);
      if (count > left) break;
    }
    counts.push(count);
    left -= count;
    if (left < 0) break;
  }
  return counts;
};

/** `text` in pieces of at most `length` units that end at a space where there is one in their second half, and never inside a surrogate pair. */
export function* piecesOf(text: string, length: number): Generator<string> {
  let from = 0;
  while (from < text.length) {
    let to = Math.min(text.length, from + length);
    if (to < text.length) {
      const half = from + (length >>> 1);
      // Not lastIndexOf: without spaces it would scan back to the beginning for each piece.
      let space = to;
      while (space > half && text.charCodeAt(space) !== 0x20) space -= 1;
      if (space > half) to = space;
      else if ((text.charCodeAt(to - 1) & 0xfc00) === 0xd800) to -= 1;
    }
    yield text.slice(from, to);
    from = to;
  }
}
