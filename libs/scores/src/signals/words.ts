/** A word of a text. */
export interface Word {
  /** Composed and in lower case, apostrophes straight. */
  readonly exact: string;
  /** Without diacritics, as Vietnamese is often typed. */
  readonly bare: string;
}

/** A part of a text that ends with a full stop, a question or exclamation mark, or a line. */
export interface Sentence {
  readonly words: readonly Word[];
  readonly endsWithQuestionMark: boolean;
}

/** UTF-16 units of the longest word that is read; a longer one is in no lexicon, and normalizing it may cost the square of its length. */
const MAX_WORD_LENGTH = 64;

const ADDRESS = /\bhttps?:\/\/\S+/giu;
const SENTENCE = /([^.!?…。！？؟;\n]*)([.!?…。！？؟;\n]+|$)/gu;
const WORD = /[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}]+)*/gu;
const QUESTION_MARK = /[?？؟]/u;
const DIACRITIC = /[\u0300-\u036f]/gu;
const NOT_ASCII = /[^\x00-\x7f]/u;

/** The sentences of a text, those without a word or a question mark left out. Linear in its length, whatever its characters. */
export const sentencesOf = (text: string): Sentence[] => {
  const sentences: Sentence[] = [];
  for (const [, body = '', end = ''] of text.replace(ADDRESS, ' ').matchAll(SENTENCE)) {
    const sentence = { words: wordsOf(body), endsWithQuestionMark: QUESTION_MARK.test(end) };
    if (sentence.words.length > 0 || sentence.endsWithQuestionMark) sentences.push(sentence);
  }
  return sentences;
};

const wordsOf = (text: string): Word[] => {
  const words: Word[] = [];
  for (const [word] of text.matchAll(WORD)) if (word.length <= MAX_WORD_LENGTH) words.push(wordOf(word));
  return words;
};

/** One word in both its forms. */
export const wordOf = (word: string): Word => {
  if (!NOT_ASCII.test(word)) {
    const lower = word.toLowerCase();
    return { exact: lower, bare: lower };
  }
  const exact = word.normalize('NFC').toLowerCase().replaceAll('’', "'");
  return { exact, bare: exact.normalize('NFD').replace(DIACRITIC, '').replaceAll('đ', 'd') };
};
