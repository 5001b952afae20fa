import { RerankerPort } from '../search/reranker.port.js';
import { foldWord, placedWordsOf, wordsOf } from '../search/words.js';

/** What a candidate is judged by; they add up to 1. */
const WEIGHTS = { coverage: 0.6, order: 0.25, exactness: 0.15 } as const;

/**
 * A reranker without a model: it looks at which words of the query a text has (rare ones, among the candidates, count more), how many of them
 * stand beside each other in the order of the query, and how many are spelt exactly as asked, accents included. It knows nothing of meaning;
 * a cross-encoder behind the same port would. Scores are between 0 and 1.
 */
export class LexicalOverlapReranker extends RerankerPort {
  override rerank(query: string, texts: readonly string[]): Promise<number[]> {
    const asked = wordsOf(query);
    if (asked.length === 0) return Promise.resolve(texts.map(() => 0));
    const read = texts.map((text) => ({ exact: new Set(wordsIn(text)), folded: placedWordsOf(text).map(({ folded }) => folded) }));
    const known = read.map(({ folded }) => new Set(folded));
    const weightOf = rarityAmong(known);
    return Promise.resolve(
      read.map(({ exact, folded }, index) => {
        const words = known[index] ?? new Set();
        return (
          WEIGHTS.coverage * share(asked.map(foldWord), weightOf, (word) => words.has(word)) +
          WEIGHTS.order * pairsInOrder(asked.map(foldWord), folded) +
          WEIGHTS.exactness *
            share(
              asked,
              () => 1,
              (word) => exact.has(word.toLowerCase()),
            )
        );
      }),
    );
  }
}

const wordsIn = (text: string): string[] =>
  text
    .normalize('NFC')
    .toLowerCase()
    .match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];

/** Inverse document frequency among the candidates: a word that all of them have tells them not apart. */
const rarityAmong =
  (candidates: readonly ReadonlySet<string>[]) =>
  (word: string): number =>
    Math.log(1 + candidates.length / (1 + candidates.filter((words) => words.has(word)).length));

const share = (words: readonly string[], weightOf: (word: string) => number, has: (word: string) => boolean): number => {
  const total = words.reduce((sum, word) => sum + weightOf(word), 0);
  return total === 0 ? 0 : words.reduce((sum, word) => sum + (has(word) ? weightOf(word) : 0), 0) / total;
};

/** The share of neighbours in the query that are neighbours in the text too; of a single word, whether it is there. */
const pairsInOrder = (asked: readonly string[], text: readonly string[]): number => {
  if (asked.length === 1) return text.includes(asked[0] ?? '') ? 1 : 0;
  const pairs = new Set(text.slice(1).map((word, index) => `${text[index]} ${word}`));
  const wanted = asked.slice(1).map((word, index) => `${asked[index]} ${word}`);
  return wanted.filter((pair) => pairs.has(pair)).length / wanted.length;
};
