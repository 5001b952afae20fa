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
    "if not kind day year colour color don't doesn't didn't can't won't isn't aren't"
  ).split(' '),
);
const ALREADY_ASKING = new Set("what's whats how's where's who's".split(' '));
const AUXILIARY = new Set(
  "is are am was were does did can could will would should shall has had doesn't didn't can't won't isn't aren't wouldn't couldn't".split(
    ' ',
  ),
);
/** Also the beginning of an order: "do the dishes", "have a look". */
const AUXILIARY_OF_PERSONS = new Set("do don't have may".split(' '));
const PERSON = new Set('i you he she we they u'.split(' '));
const SUBJECT = new Set([...PERSON, ...'it there this that these those anyone anybody someone the your my his her our their'.split(' ')]);
/** Said in front of a question. */
const OPENING = new Set('and but so well ok okay hey hi hello oh um then also please sorry btw'.split(' '));

/** A question wherever in the sentence, unless a negation stands right before: "không bao nhiêu", "chẳng làm gì". */
const ASKS = new Lexicon<true>([
  [
    true,
    `tại sao, vì sao, làm sao, sao vậy, sao thế, thì sao, thế nào, như nào, bao nhiêu, bao lâu, khi nào, lúc nào, là gì, cái gì, làm gì, tên gì, gì vậy,
     gì thế, ở đâu, đi đâu, là ai, ai vậy, ai thế, mấy giờ, có phải, phải không, đúng không, được không, có không, hay không, phải ko, đúng ko, được ko,
     đc ko, đc không`,
  ],
]);
/** A question at the end of a sentence. */
const ASKS_AT_END = new Set('không ko khong hông hong chưa chua gì gi nhỉ hả à ư đâu'.split(' '));
const NEGATION = new Set('không ko khong chẳng chang chả đừng dung chưa chua'.split(' '));
/** What a negation earlier in the sentence turns into a statement: "không có gì" is "you are welcome". */
const NEGATED = new Set('gì gi đâu'.split(' '));
/** "Tôi không": the answer of a person, not a question about one. */
const PRONOUN = new Set('tôi mình em anh chị bạn con cháu nó tao tớ toi minh chi ban chau'.split(' '));

/**
 * How many questions a text asks, 0 to 1,000. A sentence asks one when it
 * - ends with a question mark;
 * - begins with an asking word and a verb ("what is", "how many"), or with an auxiliary and its subject ("do you", "is there"), also after "hey" or "and";
 * - has an asking phrase of Vietnamese ("tại sao", "bao nhiêu"), or ends with an asking particle ("... chưa", "... không").
 * Vietnamese rules apply to every text that is not English: a short one without diacritics has no language to tell.
 */
export const questionsOf = (sentences: readonly Sentence[], language: Language): number =>
  Math.min(MAX_QUESTIONS, sentences.filter((sentence) => asks(sentence, language)).length);

const asks = ({ words, endsWithQuestionMark }: Sentence, language: Language): boolean =>
  endsWithQuestionMark || asksInEnglish(words) || (language !== 'en' && asksInVietnamese(words));

const asksInEnglish = (words: readonly Word[]): boolean => {
  const start = words.findIndex(({ exact }) => !OPENING.has(exact));
  const [first = '', second = ''] = words.slice(Math.max(start, 0), start + 2).map(({ exact }) => exact);
  if (ALREADY_ASKING.has(first)) return second !== '';
  if (AUXILIARY_OF_PERSONS.has(first)) return PERSON.has(second);
  return ASKING.has(first) ? AFTER_ASKING.has(second) || words.length === 1 : AUXILIARY.has(first) && SUBJECT.has(second);
};

const asksInVietnamese = (words: readonly Word[]): boolean => {
  if (words.length < 2) return false;
  for (const { at } of ASKS.in(words, { bare: true })) if (!NEGATION.has(words[at - 1]?.exact ?? '')) return true;
  if (words[0]?.exact === 'sao' && words.length > 2) return true; // "Sao bạn buồn vậy"; elsewhere it may be a star
  const last = words.at(-1)?.exact ?? '';
  if (!ASKS_AT_END.has(last)) return false;
  const before = words.slice(0, -1);
  if (NEGATED.has(last)) return !before.some(({ exact }) => NEGATION.has(exact));
  return !(words.length === 2 && PRONOUN.has(before[0]?.exact ?? ''));
};
