import type { Emotion } from '#lib/contracts/scores';
import type { Language } from './language.js';
import { Lexicon } from './lexicon.js';
import type { Sentence, Word } from './words.js';

/** How much of each emotion a text shows. */
export type EmotionWeights = Readonly<Record<Emotion, number>>;

const WORDS = new Lexicon<Emotion>([
  [
    'happy',
    `happy, happier, glad, joy, joyful, great, awesome, wonderful, fantastic, excellent, love, loved, lovely, delighted, pleased, excited, fun, funny,
     yay, haha, hahaha, hehe, lol, lmao, thanks, thank you, perfect, best day, so good, congrats, congratulations, cheerful, enjoy, enjoyed,
     vui, vui vẻ, vui quá, vui lắm, hạnh phúc, sung sướng, =tuyệt, tuyệt vời, tuyệt quá, yêu, thích quá, cảm ơn, cám ơn, hihi, hoan hô, chúc mừng,
     phấn khởi, hài lòng, =đã quá, xuất sắc, dễ thương, đáng yêu, mừng quá, hay lắm`,
  ],
  [
    'interested',
    `interesting, interested, curious, fascinating, amazing, wow, whoa, tell me more, want to know, intriguing, i wonder, impressive, no way, go on,
     learn more, sounds cool, cool,
     thú vị, tò mò, hấp dẫn, kể tiếp, kể nghe, nói tiếp, muốn biết, hay quá, hay ghê, thật á, thật hả, thật không, bất ngờ, ngạc nhiên, =ồ, quan tâm,
     ấn tượng`,
  ],
  [
    'bored',
    `boring, bored, boredom, dull, tedious, yawn, whatever, meh, nothing to do, so what, uninteresting, not interesting, not interested, don't care,
     =chán, chán quá, chán ngắt, buồn ngủ, =nhạt, nhạt nhẽo, tẻ nhạt, vô vị, không quan tâm, không thú vị, =kệ, sao cũng được, =nhàm, nhàm chán,
     chẳng có gì làm, không có gì làm`,
  ],
  [
    'sad',
    `sad, unhappy, sorrow, cry, crying, cried, tears, depressed, lonely, heartbroken, miss you, miss him, miss her, hurts, hopeless, disappointed,
     upset, grief, passed away, terrible day, bad day, feel down, feeling down, miserable, unfortunately,
     buồn, buồn quá, buồn bã, buồn lắm, đau lòng, khóc, nước mắt, cô đơn, thất vọng, tuyệt vọng, nhớ nhà, tủi thân, đau khổ, mệt mỏi, chia tay,
     tội nghiệp, hụt hẫng, trầm cảm, qua đời, huhu, hic`,
  ],
  [
    'angry',
    `angry, mad at, furious, hate, hated, annoyed, annoying, rage, stupid, idiot, shut up, damn, hell no, wtf, ridiculous, outrageous, pissed, sick of,
     fed up, unacceptable, disgusting, how dare,
     =tức, tức giận, tức quá, =giận, giận dữ, =bực, bực mình, bực bội, bực quá, =cáu, điên tiết, điên máu, ghét, đáng ghét, khó chịu, đồ ngu, ngu ngốc,
     im đi, câm đi, mẹ kiếp, khốn nạn, vô lý, quá đáng, phẫn nộ`,
  ],
]);

const SYMBOLS: readonly (readonly [Emotion, RegExp])[] = [
  ['happy', /[😀😃😄😁😆😅😂🤣😊😇🙂😍🥰😘😋😎🤗🥳😺💖💕❤👍🎉]|(?<!\p{L})[:;=]-?[)D](?!\p{L})|<3|\^_\^/gu],
  ['interested', /[🤔🧐😮😲😯🤩👀]|(?<!\p{L}):-?[oO](?!\p{L})/gu],
  ['bored', /[🥱😴😑😐🙄😒]/gu],
  ['sad', /[😢😭😞😔😟🙁☹😿💔😥😓🥺]|(?<!\p{L})[:;=]'?-?\((?!\p{L})|T_T/gu],
  ['angry', /[😠😡🤬👿💢😤]|>:-?\(/gu],
];

/** Words that turn around what follows within two words. */
const NEGATION = new Set(
  "not no never isn't aren't wasn't don't doesn't didn't can't won't without không ko khong chẳng chang chả chưa chua đừng".split(' '),
);
const NEGATION_REACH = 2;

/** Most that one text counts for one emotion: twenty faces in a row are one opinion. */
const MAX_WEIGHT = 3;

/** An equal weight goes to the earlier one: what should not be overlooked comes first. */
const ORDER = ['angry', 'sad', 'bored', 'happy', 'interested'] as const satisfies readonly Emotion[];

/**
 * What a text shows, by words, phrases and faces in two lexicons. A negation within two words before a happy word makes it sad ("not happy"),
 * before any other one makes it nothing ("not bored").
 */
export const emotionWeights = (text: string, sentences: readonly Sentence[], language: Language): EmotionWeights => {
  const weights: Record<Emotion, number> = { happy: 0, interested: 0, neutral: 0, bored: 0, sad: 0, angry: 0 };
  for (const { words } of sentences) {
    for (const { meaning, at } of WORDS.in(words, { bare: language !== 'en' })) {
      weights[isNegated(words, at) ? negated(meaning) : meaning] += 1;
    }
  }
  for (const [emotion, symbols] of SYMBOLS) weights[emotion] += text.match(symbols)?.length ?? 0;
  for (const emotion of ORDER) weights[emotion] = Math.min(MAX_WEIGHT, weights[emotion]);
  return { ...weights, neutral: 0 };
};

/** The emotion that weighs most, `neutral` when none weighs anything. */
export const strongest = (weights: EmotionWeights): Emotion => {
  let found: Emotion = 'neutral';
  for (const emotion of ORDER) if (weights[emotion] > weights[found]) found = emotion;
  return found;
};

const isNegated = (words: readonly Word[], at: number): boolean =>
  words.slice(Math.max(0, at - NEGATION_REACH), at).some(({ exact }) => NEGATION.has(exact));

const negated = (emotion: Emotion): Emotion => (emotion === 'happy' ? 'sad' : 'neutral');
