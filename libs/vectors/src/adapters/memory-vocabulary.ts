import {
  MAX_LENGTH_DIFFERENCE,
  MAX_SPELLINGS,
  MIN_SIMILAR_LENGTH,
  MIN_SIMILARITY,
  type Spellings,
  VocabularyPort,
} from '../vocabulary.port.js';
import { vocabularyWords } from '../vocabulary-words.js';

/** A vocabulary in this process, compared word by word: for the embedded mode and for tests. */
export class MemoryVocabulary extends VocabularyPort {
  private readonly words = new Set<string>();

  override async learn(texts: readonly string[]): Promise<void> {
    for (const word of vocabularyWords(texts)) this.words.add(fold(word));
  }

  override async respell(words: readonly string[]): Promise<Spellings[]> {
    return words.map((word) => this.spellingsOf(fold(word)));
  }

  private spellingsOf(typed: string): Spellings {
    if (typed.length < MIN_SIMILAR_LENGTH || this.words.has(typed)) return [];
    const cuts = Array.from({ length: typed.length - 1 }, (_, i) => [typed.slice(0, i + 1), typed.slice(i + 1)] as const);
    const halves = cuts.filter(([left, right]) => this.words.has(left) && this.words.has(right)).map((cut) => cut.join(' '));
    const alike = [...this.words]
      .filter((word) => Math.abs(word.length - typed.length) <= MAX_LENGTH_DIFFERENCE)
      .map((word) => ({ word, similarity: similarityOf(word, typed) }))
      .filter(({ similarity }) => similarity >= MIN_SIMILARITY)
      .sort((one, other) => other.similarity - one.similarity || (one.word < other.word ? -1 : 1))
      .map(({ word }) => word);
    return [...halves, ...alike].slice(0, MAX_SPELLINGS);
  }
}

const fold = (word: string): string =>
  word
    .normalize('NFD')
    .replaceAll(/\p{M}+/gu, '')
    .toLowerCase()
    .replaceAll('đ', 'd');

const similarityOf = (one: string, other: string): number => {
  const [left, right] = [trigramsOf(one), trigramsOf(other)];
  const shared = [...left].filter((trigram) => right.has(trigram)).length;
  return shared / (left.size + right.size - shared);
};

/** As `pg_trgm` makes them: two spaces before the word, one behind it. */
const trigramsOf = (word: string): Set<string> => {
  const padded = `  ${word} `;
  return new Set(Array.from({ length: padded.length - 2 }, (_, start) => padded.slice(start, start + 3)));
};
