// Letters, digits and the marks that belong to them (vowel signs, combining accents).
const WORD = /[\p{L}\p{N}\p{M}]+/gu;

/** Words that a query may have; a longer one is cut, so that nobody buys a thousand-way search with one request. */
const MAX_WORDS = 32;

/**
 * A word as comparison sees it: without accents and case, so that "ca phe" is "Cà Phê". Near enough to `parley_fold` in Postgres for marking
 * and ordering; which messages match is decided by Postgres alone.
 */
export const foldWord = (word: string): string =>
  word
    .normalize('NFD')
    .replaceAll(/\p{M}+/gu, '')
    .toLowerCase()
    .replaceAll('đ', 'd');

/** The words of a query as they were typed, at most 32. Everything else (operators, quotes, punctuation) is gone. */
export const wordsOf = (query: string): string[] => (query.normalize('NFC').match(WORD) ?? []).slice(0, MAX_WORDS);

/** A word of a text with its place in it, in UTF-16 units. */
export interface PlacedWord {
  readonly folded: string;
  readonly start: number;
  readonly end: number;
}

/** The words of a text in their order. */
export const placedWordsOf = (text: string): PlacedWord[] =>
  Array.from(text.matchAll(WORD), (match) => ({ folded: foldWord(match[0]), start: match.index, end: match.index + match[0].length }));

/** The last word of a query counts as the beginning of a word from this length on; a single letter would begin half of all words. */
export const MIN_PREFIX_LENGTH = 2;

/**
 * Whether a word of a text answers a query: it equals one of its words, or it begins with the last one, which may still be being typed.
 * Takes folded words.
 */
export const wordMatcher = (query: string): ((folded: string) => boolean) => {
  const words = wordsOf(query).map(foldWord);
  const known = new Set(words);
  const last = words.at(-1) ?? '';
  return (folded) => known.has(folded) || (last.length >= MIN_PREFIX_LENGTH && folded.startsWith(last));
};
