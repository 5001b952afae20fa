/** How a word of a query may have been meant: each spelling is one word, or two with a space between them where the space was forgotten. */
export type Spellings = readonly string[];

/** The words that texts were written with, so that a search can tell a word from a typo. A hint: it may lag behind and holds words of texts that are gone. */
export abstract class VocabularyPort {
  /** Remembers the words of `texts`. Words with digits, single letters, very long words and a flood of new ones are left out. */
  abstract learn(texts: readonly string[]): Promise<void>;
  /**
   * For each of `words`, in their order, the known spellings it may have meant, best first, at most {@link MAX_SPELLINGS}; none for a word that
   * is known itself, and none where nothing comes near. Accents and case do not matter, and spellings have none.
   */
  abstract respell(words: readonly string[]): Promise<Spellings[]>;
}

/** Spellings per word: enough that the intended one is among them, few enough that a search for all of them stays small. */
export const MAX_SPELLINGS = 4;
/** A shorter word is like too many others to be compared by trigrams. */
export const MIN_SIMILAR_LENGTH = 3;
/** Letters that a spelling may be longer or shorter than the word: "phone" is no typo of "xylophone", though it has a third of its trigrams. */
export const MAX_LENGTH_DIFFERENCE = 2;
/**
 * Trigrams that two words must share, of all that they have. It is the default of `pg_trgm`'s operator too. Two letters that changed places in
 * a word of seven leave a third, one letter wrong in a word of six leaves half.
 */
export const MIN_SIMILARITY = 0.3;
