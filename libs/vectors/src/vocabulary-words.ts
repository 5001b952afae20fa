/** One letter is no word to learn; of two there are many in Vietnamese. */
const MIN_LENGTH = 2;
/** The longest words that people type are shorter; what is longer is a key or a joke. */
const MAX_LENGTH = 24;

const RUN = /[\p{L}\p{N}\p{M}]+/gu;
const HAS_DIGIT = /\p{N}/u;

/** The different words of `texts` that a vocabulary learns, in lower case and with their accents. Ids, numbers and keys are none. */
export const vocabularyWords = (texts: readonly string[]): Set<string> => {
  const words = new Set<string>();
  for (const text of texts) {
    for (const [word] of text.normalize('NFC').toLowerCase().matchAll(RUN)) {
      if (word.length >= MIN_LENGTH && word.length <= MAX_LENGTH && !HAS_DIGIT.test(word)) words.add(word);
    }
  }
  return words;
};
