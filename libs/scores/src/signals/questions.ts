import type { Language } from './language.js';
import { Lexicon } from './lexicon.js';
import type { Sentence, Word } from './words.js';

/** Most questions that are counted in one text. */
const MAX_QUESTIONS = 1_000;

const ASKING = new Set("what what's whats why how how's when where where's who who's whose which".split(' '));
/** What follows the asking word of a question, but not of "what a day", "when I was young" or "how nice". */
const AFTER_ASKING = new Set(
  (
    'is are am was were do does did can could will would should shall have has had may might about many much long far old often come else one of time ' +
    "don't doesn't didn't can't won't isn't aren't"
  ).split(' '),
);
const ALREADY_ASKING = new Set("what's whats how's where's who's".split(' '));
const AUXILIARY = new Set(
  "is are am was were do does did can could will would should shall have has had may don't doesn't didn't can't won't isn't aren't wouldn't".split(
    ' ',
  ),
);
const SUBJECT = new Set(
  'i you he she it we they there this that these those anyone anybody someone the your my his her our their u'.split(' '),
);
/** Said in front of a question. */
const OPENING = new Set('and but so well ok okay hey hi hello oh um then also please sorry btw'.split(' '));

/** Always a question, wherever in the sentence. */
const ASKS = new Lexicon<true>([
  [
    true,
    `tại sao, vì sao, làm sao, thế nào, như nào, bao nhiêu, khi nào, lúc nào, là gì, cái gì, làm gì, ở đâu, đi đâu, là ai, mấy giờ, có phải, phải không,
     đúng không, được không, có không, hay không, phải ko, đúng ko, được ko, đc ko, đc không, bao lâu, tên gì, ai vậy, gì vậy, sao vậy, gì thế, sao thế`,
  ],
]);
/** A question at the end of a sentence. */
const ASKS_AT_END = new Set('không ko khong hông hong chưa chua gì gi nhỉ hả à ư sao đâu ai'.split(' '));
/** Negations: "không có gì" is "you are welcome", "không sao" is "never mind", "không ai" is "no one". */
const NEGATION = new Set('không ko khong chẳng chang chả đừng dung chưa chua'.split(' '));
const NEGATED = new Set('gì gi sao đâu ai'.split(' '));

/**
 * How many questions a text asks, 0 to 1,000. A sentence asks one when it
 * - ends with a question mark;
 * - begins with an asking word and a verb ("what is", "how many"), or with an auxiliary and its subject ("do you", "is there");
 * - has an asking phrase of Vietnamese ("tại sao", "bao nhiêu"), or ends with an asking particle ("... chưa", "... không") that no negation goes with.
 */
export const questionsOf = (sentences: readonly Sentence[], language: Language): number =>
  Math.min(MAX_QUESTIONS, sentences.filter((sentence) => asks(sentence, language)).length);

const asks = ({ words, endsWithQuestionMark }: Sentence, language: Language): boolean =>
  endsWithQuestionMark || asksInEnglish(words) || (language !== 'en' && asksInVietnamese(words));

const asksInEnglish = (words: readonly Word[]): boolean => {
  const start = words.findIndex(({ exact }) => !OPENING.has(exact));
  const [first = '', second = ''] = words.slice(Math.max(start, 0), start + 2).map(({ exact }) => exact);
  if (ALREADY_ASKING.has(first)) return second !== '';
  return ASKING.has(first) ? AFTER_ASKING.has(second) || isAlone(words) : AUXILIARY.has(first) && SUBJECT.has(second);
};

/** "Why", "How": the whole message. */
const isAlone = (words: readonly Word[]): boolean => words.length === 1;

const asksInVietnamese = (words: readonly Word[]): boolean => {
  for (const { at } of ASKS.in(words, { bare: true })) if (!isNegated(words, at)) return true;
  const last = words.at(-1)?.exact ?? '';
  if (!ASKS_AT_END.has(last) || words.length < 2) return false;
  return !NEGATED.has(last) || !words.slice(0, -1).some(({ exact }) => NEGATION.has(exact));
};

/** "không bao nhiêu", "chưa khi nào": a negation right before. */
const isNegated = (words: readonly Word[], at: number): boolean => NEGATION.has(words[at - 1]?.exact ?? '');
