import { describe, expect, it } from 'vitest';
import { MAX_CONTENT_LENGTH } from '#lib/contracts/text';
import { cpuMsOf } from '#lib/testing/cpu-time';
import { hostileTexts } from '#lib/testing/hostile-texts';
import { emotionOf, signalsOf } from './signals-of.js';

/** The same text as it is typed without diacritics. */
const bare = (text: string): string =>
  text
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/gu, '')
    .replaceAll('đ', 'd')
    .replaceAll('Đ', 'D');

describe('the language of a text', () => {
  it.each([
    ['en', 'Are you coming to the party tomorrow?'],
    ['en', 'hello'],
    ['en', 'thanks, that was great!'],
    ['vi', 'Sáng mai mình đi uống cà phê nhé'],
    ['vi', 'sang mai minh di uong ca phe nhe'],
    ['vi', 'hom nay ban co khoe khong'],
    ['vi', 'Ừ'],
    ['vi', 'cái này ok á, very good'],
    ['other', 'Où êtes-vous, mes amis'],
    ['other', '今日はいい天気ですね'],
    ['other', 'Привет, как дела'],
    ['other', '12345 !!! 😀'],
    ['other', ''],
  ])('is %s for "%s"', (language, text) => expect(signalsOf(text).language).toBe(language));

  it('does not depend on how the letters are composed', () => {
    const text = 'Bạn có khỏe không';
    expect(signalsOf(text.normalize('NFD'))).toMatchObject({ language: 'vi', questions: 1 });
    expect(signalsOf(text.normalize('NFC'))).toMatchObject({ language: 'vi', questions: 1 });
  });
});

describe('a question', () => {
  it.each([
    'Coffee?',
    'what?!',
    '???',
    'what is that',
    'How many people are coming',
    'hey, do you like it',
    'Is there any cake left',
    'ok so when will you come',
    'why',
    "what's up",
    'may I come in',
    'お元気ですか？',
    'كيف حالك؟',
    'Bạn ăn cơm chưa',
    'khỏe không',
    'Bạn tên là gì',
    'Mấy giờ rồi',
    'Tại sao hôm qua bạn không đến',
    'Nhà bạn ở đâu vậy',
    'Sao bạn buồn vậy',
    'Áo này bao nhiêu tiền',
    'Đi chơi với mình được không',
    'Đẹp quá nhỉ',
  ])('is "%s"', (text) => expect(signalsOf(text).questions).toBe(1));

  it.each(['Bạn có khỏe không', 'Tại sao vậy', 'Áo này bao nhiêu tiền', 'Bạn đi đâu đó', 'Nó là cái gì', 'em ăn cơm chưa'])(
    'is "%s" without diacritics too',
    (text) => expect(signalsOf(bare(text)).questions).toBe(1),
  );

  it.each([
    'What a day',
    'When I was young it rained more',
    'How nice of you',
    'do the dishes',
    'Have a look at it',
    'see https://example.com/?q=1',
    'không',
    'Tôi không',
    'Không có gì',
    'Không sao đâu',
    'Nó chẳng làm gì cả',
    'Ngôi sao đẹp',
    'chưa',
    'Ok',
    '',
  ])('is not "%s"', (text) => expect(signalsOf(text).questions).toBe(0));

  it('is counted once per sentence, up to 1,000', () => {
    expect(signalsOf('Where are you? I wait. Is it raining?! Tell me: are you ok?').questions).toBe(3);
    expect(signalsOf('a? '.repeat(3_000)).questions).toBe(1_000);
  });
});

describe('the emotion of a text', () => {
  it.each([
    ['happy', 'I am so happy today'],
    ['happy', 'Thank you!!!'],
    ['happy', 'vui quá 😄'],
    ['happy', 'Hôm nay tuyệt vời'],
    ['happy', 'see you :)'],
    ['interested', 'wow, tell me more'],
    ['interested', 'Thú vị ghê, kể tiếp đi'],
    ['bored', 'this is boring'],
    ['bored', 'Chán quá'],
    ['bored', "I'm not interested"],
    ['sad', 'I am sad and lonely'],
    ['sad', 'I am not happy'],
    ['sad', 'buồn quá'],
    ['sad', 'Mình không vui'],
    ['sad', ':('],
    ['angry', 'I hate this, shut up'],
    ['angry', 'Bực mình thật'],
    ['angry', '😡😡'],
    ['neutral', 'The meeting is at nine'],
    ['neutral', "it's not boring"],
    ['neutral', ''],
  ])('is %s for "%s"', (emotion, text) => expect(signalsOf(text).emotion).toBe(emotion));

  it.each([
    ['sad', 'Mình buồn lắm'],
    ['happy', 'Vui quá, cám ơn bạn nhiều'],
    ['interested', 'thú vị quá, mình tò mò'],
    ['angry', 'Bực mình ghê'],
  ])('is %s for "%s" without diacritics too', (emotion, text) => expect(signalsOf(bare(text)).emotion).toBe(emotion));

  it('does not take a word of English for one of Vietnamese, or one without diacritics for any that it may be', () => {
    expect(signalsOf('The ban on the hay and the chan was there').emotion).toBe('neutral');
    expect(signalsOf('chân tôi và câu này').emotion).toBe('neutral');
    expect(signalsOf('chan toi va cau nay cua ban').emotion).toBe('neutral');
  });

  it('is what several texts show most, and neutral when they show nothing', () => {
    const texts = ['great, thanks', 'I hate it', 'lovely', '😀'];
    expect(emotionOf(texts.map(signalsOf))).toBe('happy');
    expect(emotionOf(['😡'.repeat(50), 'nice day, love it', 'so good', 'haha'].map(signalsOf))).toBe('angry');
    expect(emotionOf([...Array.from({ length: 4 }, () => 'love it'), '😡'.repeat(50)].map(signalsOf))).toBe('happy');
    expect(emotionOf([])).toBe('neutral');
  });
});

describe('the strangest text', () => {
  /** The lowest of three: what the collector of garbage takes in between is not the text's. */
  const costOf = async (text: string): Promise<number> => {
    const costs = [];
    for (let i = 0; i < 3; i += 1) costs.push(await cpuMsOf(() => signalsOf(text)));
    return Math.min(...costs);
  };

  it.each(hostileTexts({ length: MAX_CONTENT_LENGTH, seed: 5 }))('of $kind costs no more than milliseconds', async ({ text }) => {
    expect(signalsOf(text).length).toBe(text.length);
    expect(await costOf(text)).toBeLessThan(150);
  });

  it.each(['?', 'không ', 'not happy ', ':', ';-', '<', "a'", 'https://', 'http', '. ', '…\n', 'Σ', 'a\u0301'])(
    'of nothing but "%s" costs four times as much when it is four times as long',
    async (unit) => {
      const textOf = (length: number) => unit.repeat(Math.ceil(length / unit.length)).slice(0, length);
      const short = await costOf(textOf(MAX_CONTENT_LENGTH / 4));
      const long = await costOf(textOf(MAX_CONTENT_LENGTH));
      expect(long).toBeLessThan(Math.max(20, short * 12));
    },
  );
});
