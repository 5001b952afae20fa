import { type Word, wordOf } from './words.js';

/** Words of the longest phrase of a lexicon. */
const MAX_PHRASE = 4;

/** What a lexicon found, and which words of the text it is. */
export interface Found<Meaning> {
  readonly meaning: Meaning;
  /** Index of its first word. */
  readonly at: number;
  readonly length: number;
}

/**
 * Phrases of one to four words and what they mean. A phrase with diacritics is also found where it is typed without any, unless it begins
 * with `=`: "ma" may be "mà", "má" or "mã".
 */
export class Lexicon<Meaning> {
  private readonly exact = new Map<string, Meaning>();
  private readonly bare = new Map<string, Meaning>();

  /** @param entries phrases with a comma between them, by meaning. */
  constructor(entries: Iterable<readonly [Meaning, string]>) {
    for (const [meaning, phrases] of entries) for (const phrase of phrases.split(',')) this.add(phrase.trim(), meaning);
  }

  /**
   * The phrases in `words` from left to right, the longest first, none inside another one.
   * @param options.bare whether words without diacritics may stand for words with them: not in an English text.
   */
  *in(words: readonly Word[], { bare }: { readonly bare: boolean }): Generator<Found<Meaning>> {
    for (let at = 0; at < words.length; ) {
      const found = this.at(words, at, bare);
      if (found !== undefined) yield found;
      at += found?.length ?? 1;
    }
  }

  private at(words: readonly Word[], at: number, bare: boolean): Found<Meaning> | undefined {
    for (let length = Math.min(MAX_PHRASE, words.length - at); length > 0; length -= 1) {
      const phrase = words.slice(at, at + length);
      const key = phrase.map(({ exact }) => exact).join(' ');
      const meaning = this.exact.get(key) ?? (bare ? this.bare.get(key) : undefined);
      if (meaning !== undefined) return { meaning, at, length };
    }
    return undefined;
  }

  private add(phrase: string, meaning: Meaning): void {
    const isExactOnly = phrase.startsWith('=');
    const words = phrase
      .slice(isExactOnly ? 1 : 0)
      .split(' ')
      .map(wordOf);
    this.exact.set(words.map(({ exact }) => exact).join(' '), meaning);
    if (!isExactOnly) this.bare.set(words.map(({ bare }) => bare).join(' '), meaning);
  }
}
