// Letters, digits and the marks that belong to them (vowel signs, combining accents).
const WORD = /[\p{L}\p{N}\p{M}]+/gu;
const WORD_CHARACTER = /[\p{L}\p{N}\p{M}]/u;
const SAME_PAGE = /^[\p{L}\p{N}]+$/u;

/** Words of a query that count; the rest is dropped, to bound the cost of one request. */
const MAX_WORDS = 32;

/** The last word of a query counts as the beginning of a word from this length on; a single letter would begin half of all words. */
export const MIN_PREFIX_LENGTH = 2;

/** Word properties of 256 consecutive code points. Without `folded`, each of them is its own folded form. */
interface Page {
  readonly isWord: Uint8Array;
  readonly folded: readonly string[] | undefined;
}

const PAGE = 256;
const IDENTICAL: Page = { isWord: new Uint8Array(PAGE).fill(1), folded: undefined };
const pages: (Page | undefined)[] = Array.from({ length: 0x11_0000 / PAGE });

// Remove the marks first: the lower case of the remaining letter may have none.
const foldedCharacter = (character: string): string =>
  character
    .normalize('NFD')
    .replaceAll(/\p{M}+/gu, '')
    .toLowerCase()
    .replaceAll('đ', 'd');

const isSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdfff;

const makePage = (number: number): Page => {
  const characters = Array.from({ length: PAGE }, (_, i) =>
    isSurrogate(number * PAGE + i) ? ' ' : String.fromCodePoint(number * PAGE + i),
  );
  const all = characters.join('');
  // True for most pages of Han and Hangul, and a hostile text touches all of them: saves their tables.
  const page =
    SAME_PAGE.test(all) && all.normalize('NFD').toLowerCase() === all
      ? IDENTICAL
      : { isWord: Uint8Array.from(characters, (one) => (WORD_CHARACTER.test(one) ? 1 : 0)), folded: characters.map(foldedCharacter) };
  pages[number] = page;
  return page;
};

const pageOf = (code: number): Page => pages[code >>> 8] ?? makePage(code >>> 8);

const isWordCode = (code: number): boolean => pageOf(code).isWord[code & 0xff] === 1;

const folded = (code: number): string => {
  const page = pageOf(code);
  return page.folded === undefined ? String.fromCodePoint(code) : (page.folded[code & 0xff] ?? '');
};

const unitsOf = (code: number): number => (code > 0xffff ? 2 : 1);

/**
 * Folds a word for comparison: no accents, no case, so that "ca phe" equals "Cà Phê". Close enough to `parley_fold` in Postgres for marking
 * and ordering; which messages match is decided by Postgres alone. Looks characters up in a table: linear for any word.
 */
export const foldWord = (word: string): string => {
  let result = '';
  for (let at = 0; at < word.length; ) {
    const code = word.codePointAt(at) ?? 0;
    result += folded(code);
    at += unitsOf(code);
  }
  return result;
};

/** The words of a query as they were typed, at most 32. Everything else (operators, quotes, punctuation) is gone. */
export const wordsOf = (query: string): string[] => (query.normalize('NFC').match(WORD) ?? []).slice(0, MAX_WORDS);

/** Where a word stands in a text, in UTF-16 units: from `start` up to, not including, `end`. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

/** The first word of `text` that begins at `from` or later; `from` must not be inside a word. */
export const wordAfter = (text: string, from: number): Place | undefined => {
  let start = from;
  for (; start < text.length; ) {
    const code = text.codePointAt(start) ?? 0;
    if (isWordCode(code)) break;
    start += unitsOf(code);
  }
  if (start >= text.length) return undefined;
  return { start, end: endOfWord(text, start) };
};

/** The end of the run of word characters around `from`; `from` itself outside of one. */
export const endOfWord = (text: string, from: number): number => {
  let end = from;
  while (end < text.length) {
    const code = text.codePointAt(end) ?? 0;
    if (!isWordCode(code)) break;
    end += unitsOf(code);
  }
  return end;
};

/** Whether the character that ends before `position` belongs to a word. */
export const isAfterWordCharacter = (text: string, position: number): boolean => {
  if (position <= 0) return false;
  const isPair = isSurrogate(text.charCodeAt(position - 1)) && position > 1;
  return isWordCode(text.codePointAt(isPair ? position - 2 : position - 1) ?? 0);
};

/** The folded words of a text in their order. */
export const foldedWordsOf = (text: string): string[] => Array.from(text.matchAll(WORD), ([word]) => foldWord(word));

/**
 * The words of a query, prepared for comparison with texts. Folds a word of a text only up to the length of the longest query word, and
 * usually only its first letter: a comparison costs about as much as reading the text.
 */
export class AskedWords {
  /** As typed, composed. */
  readonly words: readonly string[];
  /** The same, folded. */
  readonly folded: readonly string[];
  private readonly masks = new Map<string, number>();
  private readonly firstUnits = new Set<number>();
  private readonly last: string;
  private readonly longest: number;

  constructor(query: string) {
    this.words = wordsOf(query);
    this.folded = this.words.map(foldWord);
    for (const [i, word] of this.folded.entries()) {
      if (word === '') continue; // a mark without a letter
      this.masks.set(word, (this.masks.get(word) ?? 0) | (1 << i));
      this.firstUnits.add(word.charCodeAt(0));
    }
    this.last = this.folded.at(-1) ?? '';
    this.longest = Math.max(0, ...this.folded.map(({ length }) => length));
  }

  /** Which query words stand at `place`: bit i for the i-th (several when a word is asked twice), 0 for none. */
  maskAt(text: string, place: Place): number {
    const found = this.foldedAt(text, place);
    return found === undefined ? 0 : (this.masks.get(found) ?? 0);
  }

  /** Whether the word at `place` matches: it equals a query word, or begins with the last one, which may be unfinished. */
  answers(text: string, place: Place): boolean {
    const found = this.foldedAt(text, place);
    if (found === undefined) return false;
    return this.masks.has(found) || (this.last.length >= MIN_PREFIX_LENGTH && found.startsWith(this.last));
  }

  /** The folded word, cut when it is longer than any asked one; undefined when its first letter rules it out. */
  private foldedAt(text: string, { start, end }: Place): string | undefined {
    let found = '';
    for (let at = start; at < end; ) {
      const code = text.codePointAt(at) ?? 0;
      at += unitsOf(code);
      const next = folded(code);
      if (found === '' && next !== '' && !this.firstUnits.has(next.charCodeAt(0))) return undefined;
      found += next;
      if (found.length > this.longest) break;
    }
    return found;
  }
}
