import { AskedWords, wordAfter } from './words.js';

/** Weights of the parts of a score; they add up to 1. */
const WEIGHTS = { coverage: 0.6, order: 0.25, exactness: 0.15 } as const;

/** UTF-16 units of the longest word whose exact spelling is compared: composing a longer one can be costly (runs of marks in old texts). */
const MAX_SPELLING = 256;

/** Which query words a text has, one bit per word. */
interface Reading {
  readonly words: number;
  /** Bit i: the i-th query word directly follows the one before it. */
  readonly pairs: number;
  /** Spelt as asked, accents included. */
  readonly exact: number;
}

/**
 * How well each text answers the query by its words, between 0 and 1: which words of the query it has (rare ones, among the candidates, count
 * more), how many of them stand beside each other in the order of the query, and how many are spelt exactly as asked, accents included.
 * Reads each text once and stops when it has everything.
 */
export const overlapScores = (query: string, texts: readonly string[]): number[] => {
  const asked = new AskedWords(query);
  const count = asked.words.length;
  if (count === 0) return texts.map(() => 0);
  const readings = texts.map((text) => read(text, asked));
  const weights = asked.folded.map((_, i) => rarity(texts.length, readings.filter(({ words }) => has(words, i)).length));
  const evenly = asked.words.map(() => 1);
  return readings.map(
    ({ words, pairs, exact }) =>
      WEIGHTS.coverage * share(weights, words) +
      WEIGHTS.order * (count === 1 ? words & 1 : bitsOf(pairs) / (count - 1)) +
      WEIGHTS.exactness * share(evenly, exact),
  );
};

const read = (text: string, asked: AskedWords): Reading => {
  const spellings = asked.words.map((word) => word.toLowerCase());
  const everything = asked.words.length === 32 ? -1 : (1 << asked.words.length) - 1;
  let words = 0;
  let pairs = 0;
  let exact = 0;
  let previous = 0;
  for (let place = wordAfter(text, 0); place !== undefined; place = wordAfter(text, place.end)) {
    const mask = asked.maskAt(text, place);
    if (mask !== 0) {
      words |= mask;
      pairs |= (previous << 1) & mask;
      const open = mask & ~exact;
      if (open !== 0 && place.end - place.start <= MAX_SPELLING) {
        const spelling = text.slice(place.start, place.end).normalize('NFC').toLowerCase();
        for (const [i, wanted] of spellings.entries()) if (has(open, i) && wanted === spelling) exact |= 1 << i;
      }
      if (exact === everything && pairs === (everything & ~1)) break;
    }
    previous = mask;
  }
  return { words, pairs, exact };
};

const has = (mask: number, bit: number): boolean => ((mask >>> bit) & 1) === 1;

const bitsOf = (mask: number): number => {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count += 1;
  return count;
};

/** Inverse document frequency among the candidates: a word that all of them have does not distinguish them. */
const rarity = (candidates: number, having: number): number => Math.log(1 + candidates / (1 + having));

const share = (weights: readonly number[], mask: number): number => {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return total === 0 ? 0 : weights.reduce((sum, weight, i) => sum + (has(mask, i) ? weight : 0), 0) / total;
};
