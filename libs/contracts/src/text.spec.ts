import { describe, expect, it } from 'vitest';
import { cpuMsOf } from '#lib/testing/cpu-time';
import { hostileTexts } from '#lib/testing/hostile-texts';
import { Content, MAX_CONTENT_LENGTH, StoredContent, textProblem, withoutLongRuns } from './text.js';

const SEED = 7;
const hostile = hostileTexts({ seed: SEED });
const shortHostile = hostileTexts({ seed: SEED, length: 128 });

describe('the text of a message', () => {
  it.each([
    ['one character', 'a'],
    ['the longest', 'a'.repeat(MAX_CONTENT_LENGTH)],
    ['the longest of emoji, which are two units each', '😀'.repeat(MAX_CONTENT_LENGTH / 2)],
    ['Vietnamese with line breaks and tabs', 'Cà phê sữa đá\n\tở Đà Lạt\r\n'],
    ['decomposed Vietnamese', 'Cà phê sữa đá ở Đà Lạt'.normalize('NFD')],
    ['emoji made of several code points', '👩‍👩‍👧‍👦 ok'],
    ['one emoji', '❤️'],
    ['an emoji that is newer than this Node', '\u{1faef}'],
    ['a flag made of tags', '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}'],
    ['right-to-left text', 'שלום עולם'],
    ['right-to-left text with marks of direction', '\u200fשלום\u200e (ok)'],
    ['isolates that end', 'hi \u2068@דנה\u2069, \u202bשלום\u202c'],
    ['30 combining marks in a row', `a${'\u0301'.repeat(30)}`],
    ['many short runs of marks', `a${'\u0301\u0323'.repeat(15)}`.repeat(500)],
    ['a vowel sign alone', '\u0e31'],
    ['SQL and markup are just text', "'; DROP TABLE messages; -- <script>"],
  ])('takes %s', (_, text) => {
    expect(Content.safeParse(text).success).toBe(true);
  });

  it.each([
    ['nothing', '', /./],
    ['blank text', ' \n\t ', 'must have at least one visible character'],
    ['joiners alone', '\u200d\u200c\u200b', 'must have at least one visible character'],
    ['variation selectors and a soft hyphen', '\ufe0f\u00ad', 'must have at least one visible character'],
    ['Hangul fillers', '\u115f\u1160\u3164\uffa0', 'must have at least one visible character'],
    ['the Braille blank', '\u2800 \u2800', 'must have at least one visible character'],
    ['tags alone', '\u{e0041}\u{e007f}', 'must have at least one visible character'],
    ['marks of direction alone', '\u200e\u200f\u061c', 'must have at least one visible character'],
    ['one character too many', 'a'.repeat(MAX_CONTENT_LENGTH + 1), /./],
    ['one emoji too many, each of two units', '😀'.repeat(MAX_CONTENT_LENGTH / 2 + 1), /<=16384 UTF-16 units/],
    ['a control character behind emoji of more units than the limit', `${'😀'.repeat(9_000)}\u0001`, /<=16384 UTF-16 units/],
    ['U+0000', 'a\u0000b', 'must not contain control characters other than tab and line breaks'],
    ['an escape character', 'a\u001b[31mb', 'must not contain control characters other than tab and line breaks'],
    ['DEL', 'a\u007fb', 'must not contain control characters other than tab and line breaks'],
    ['a C1 control', 'a\u0085b', 'must not contain control characters other than tab and line breaks'],
    ['a lone high surrogate', 'a\ud800b', 'must be well-formed Unicode: it has half of a surrogate pair'],
    ['a lone low surrogate', 'a\udc00b', 'must be well-formed Unicode: it has half of a surrogate pair'],
    ['31 combining marks in a row', `a${'\u0301'.repeat(31)}`, 'must not have more than 30 combining marks in a row'],
    ['30 of them after a letter that has one', `à${'\u0301'.repeat(30)}`, 'must not have more than 30 combining marks in a row'],
    ['16 marks that are two each', `a${'\u0344'.repeat(16)}`, 'must not have more than 30 combining marks in a row'],
    ['letters that decompose into marks', `ｶ${'\uff9e'.repeat(31)}`, 'must not have more than 30 combining marks in a row'],
    ['an override that does not end', 'a\u202eb', /^must close every bidirectional control/],
    ['an end without a beginning', 'a\u2069b', /^must close every bidirectional control/],
    ['an isolate that ends as an embedding', '\u2067a\u202c', /^must close every bidirectional control/],
    ['a number', 7, /./],
  ])('refuses %s', (_, text, reason) => {
    const { error } = Content.safeParse(text);
    expect(error?.issues[0]?.message).toMatch(reason);
  });

  it.each([...hostile, ...shortHostile])('is judged as it should be when it is $kind', ({ text, isAccepted }) => {
    expect(Content.safeParse(text).success).toBe(isAccepted);
  });

  it.each(hostile)('is judged in milliseconds, since an acknowledgement waits for it: $kind', async ({ text }) => {
    const took: number[] = [];
    for (let i = 0; i < 3; i += 1) took.push(await cpuMsOf(() => textProblem(text)));
    expect(Math.min(...took)).toBeLessThan(25);
  });
});

describe('a text that was stored by an older version', () => {
  it('may have as many emoji as an older version took, and is looked at all the same', () => {
    expect(StoredContent.safeParse('😀'.repeat(MAX_CONTENT_LENGTH)).success).toBe(true);
    expect(StoredContent.safeParse('😀'.repeat(MAX_CONTENT_LENGTH + 1)).success).toBe(false);
    expect(StoredContent.safeParse(`${'😀'.repeat(9_000)}\u0000`).success).toBe(false);
  });

  it.each([' ', '\u200d', 'a\u202eb'])('is taken by consumers although it would be refused today: %j', (text) => {
    expect(Content.safeParse(text).success).toBe(false);
    expect(StoredContent.safeParse(text).success).toBe(true);
  });

  it.each(hostile.filter(({ text }) => text.isWellFormed() && !/[\u0000\u001b]/.test(text)))(
    'can be indexed without its long runs: $kind',
    ({ text }) => {
      expect(StoredContent.safeParse(withoutLongRuns(text)).success).toBe(true);
    },
  );

  it('keeps everything that is no long run', () => {
    const fine = `xin chào ${'a\u0301'.repeat(40)} à`;
    expect(withoutLongRuns(fine)).toBe(fine);
    expect(withoutLongRuns(`${fine}b${'\u0323'.repeat(500)}c\u0301`)).toBe(`${fine}b${'\u0323'.repeat(30)}c\u0301`);
  });
});
