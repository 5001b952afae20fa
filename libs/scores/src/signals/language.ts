import { z } from 'zod';
import { Lexicon } from './lexicon.js';
import type { Sentence, Word } from './words.js';

/** The languages that are told apart; `other` also means that a text is too short to say. */
export const Language = z.enum(['en', 'vi', 'other']);
export type Language = z.infer<typeof Language>;

/** Frequent words that the other language does not have in this spelling; "to", "do", "an" or "me" are words of both when typed bare. */
const FREQUENT = new Lexicon<Language>([
  [
    'en',
    `the, and, is, are, was, were, be, been, of, for, that, this, these, those, it, its, it's, with, you, your, you're, we, they, their, them, he,
     she, his, her, i'm, i've, i'll, i'd, my, our, not, don't, doesn't, didn't, can't, won't, isn't, aren't, what, what's, when, where, why, how, who,
     which, will, would, could, should, can, have, has, had, does, did, from, about, there, here, just, very, really, much, many, some, any, all,
     because, but, if, then, than, so, too, also, yes, please, thanks, thank you, hello, hi, good, bad, great, morning, night, today, tomorrow,
     yesterday, know, think, want, like, love, need, see, get, got, going, go, make, time, day, people, one, two, more, never, always, now, again,
     happy, sad, angry, bored, boring, interesting, funny, nice, sorry, wow, lol, ok then, let's, are you, do you, to the, in the, on the, i am, i was`,
  ],
  [
    'vi',
    `và, là, của, có, cho, thì, mà, những, các, được, này, đó, một, với, không, trong, đã, đang, sẽ, rồi, nhé, nhỉ, ạ, ơi, vậy, thế, cũng, nên, vì,
     nếu, khi, để, ra, vào, lại, còn, đi, thôi, như, tôi, mình, bạn, em, chị, nó, họ, gì, sao, đâu, ai vậy, chưa, rất, quá, lắm, hơn, nhiều, người,
     năm, ngày, hôm nay, hôm qua, ngày mai, bây giờ, làm, nói, biết, thích, yêu, muốn, phải, đến, về, từ, nhưng, bởi, cái, con, chỉ, mới, vẫn,
     xin chào, chào, cảm ơn, cám ơn, vâng, dạ, ừ, buồn, vui, giận, chán, =anh, =à, =ăn, =uống, =nhà, ko, hông, hok, khum, zậy, đc, vs, nhìu, bít`,
  ],
]);

/** Words of Vietnamese that, typed without diacritics, are words or names elsewhere: not counted for Vietnamese unless typed with them. */
const AMBIGUOUS_BARE = new Set(
  'la co cho thi ma cac nay do mot da se nen vi ra con di em no ho ai gi sao dau chi moi tu ve so de lam nam van cai an a nha va oi the biet phai noi den bit vs'.split(
    ' ',
  ),
);

// Letters that only Vietnamese has, with two marks or with a horn. French and Portuguese have â, ê and ô, Romanian ă, Croatian đ.
const VIETNAMESE = /[\u1ea0-\u1ef9ơư]/u;
const LATIN = /^[\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]+$/u;

/**
 * The language of a text by its frequent words and letters: the one with more of them, Vietnamese when both have as many. `other` for a text
 * without any, and for one that is mostly in another script.
 */
export const languageOf = (sentences: readonly Sentence[]): Language => {
  let [english, vietnamese, foreign, count] = [0, 0, 0, 0];
  for (const { words } of sentences) {
    count += words.length;
    for (const { exact } of words) {
      if (VIETNAMESE.test(exact)) vietnamese += 1;
      else if (!LATIN.test(exact)) foreign += 1;
    }
    for (const { meaning, at, length } of FREQUENT.in(words, { bare: true })) {
      if (meaning === 'en') english += length;
      else if (!isAmbiguous(words[at], length)) vietnamese += length;
    }
  }
  if (foreign * 2 > count) return 'other';
  if (english === 0 && vietnamese === 0) return 'other';
  return english > vietnamese ? 'en' : 'vi';
};

const isAmbiguous = (word: Word | undefined, length: number): boolean =>
  length === 1 && word !== undefined && AMBIGUOUS_BARE.has(word.exact);
