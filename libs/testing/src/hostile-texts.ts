import { MAX_CONTENT_LENGTH } from '#lib/contracts/text';
import { pick, seededRandom } from './random.js';

/** A text made to be costly or to mislead, and whether the text policy takes it (`isAccepted`) at any length up to its limit. */
export interface HostileText {
  readonly kind: string;
  readonly text: string;
  readonly isAccepted: boolean;
}

type Random = () => number;
type Maker = (random: Random) => string;

const between = (random: Random, from: number, to: number): number => from + Math.floor(random() * (to - from + 1));
const codePoint = (random: Random, from: number, to: number): string => String.fromCodePoint(between(random, from, to));
const repeat = (count: number, make: () => string): string => Array.from({ length: count }, make).join('');

// Combining classes 230, 220, 240, 216, 202, 1, 9: each run of them must be sorted.
const MARKS = ['\u0301', '\u0323', '\u0345', '\u031b', '\u0327', '\u0334', '\u094d', '\u0308', '\u0344', '\u{1d165}'];
const INVISIBLE = [
  '\u200b',
  '\u200c',
  '\u200d',
  '\u2060',
  '\ufe0f',
  '\u00ad',
  '\u115f',
  '\u1160',
  '\u3164',
  '\uffa0',
  '\u2800',
  '\u180e',
  '\ufeff',
];
const PEOPLE = ['👩', '👨', '👧', '👦', '🧑'];
const SKIN = ['\u{1f3fb}', '\u{1f3fd}', '\u{1f3ff}', ''];
// What one character becomes under compatibility decomposition, upper case or canonical decomposition.
const EXPANDING = ['\ufdfa', '\ufdfb', '\u1f82', '\ufb03', '\u0390', '\u33ff', '\u1e9e', '\u0149', '\u{1d160}', '\u2a74'];

/** Texts that the policy takes: each is a unit that is repeated until the text is long enough. */
const accepted: Readonly<Record<string, Maker>> = {
  'marks as many as allowed': (random) => `a${repeat(15, () => pick(random, MARKS))}`,
  'unordered marks on short words': (random) =>
    `${codePoint(random, 0x61, 0x7a)}${repeat(between(random, 3, 14), () => pick(random, MARKS))} `,
  'decomposed words': (random) => `${pick(random, ['Cà phê', 'Đường', 'ǖắộ', 'Ở Đà Lạt'])} `.normalize('NFD'),
  'short words': (random) => `${codePoint(random, 0x61, 0x7a)}${codePoint(random, 0x61, 0x7a)} `,
  'one letter and a space': () => 'a ',
  'a word without an end': (random) => codePoint(random, 0x61, 0x7a),
  'one letter without an end': () => 'a',
  'capital letters with marks, without an end': () => '\u1e69Ǘ',
  'an address without spaces': (random) =>
    `/${repeat(between(random, 1, 9), () => codePoint(random, 0x61, 0x7a))}?q=%${between(random, 10, 99)}&`,
  'Han without spaces': (random) => codePoint(random, 0x4e00, 0x9fff),
  'rare Han of the supplementary planes': (random) => codePoint(random, 0x20000, 0x2a6df),
  'Han that normalizes to other Han': (random) => codePoint(random, 0x2f800, 0x2fa1d),
  'Thai without spaces': () => 'สวัสดีครับที่นี่',
  'Hangul in parts': (random) =>
    `${codePoint(random, 0x1100, 0x1112)}${codePoint(random, 0x1161, 0x1175)}${codePoint(random, 0x11a8, 0x11c2)}`,
  'halfwidth Katakana with voice marks': (random) => `${codePoint(random, 0xff76, 0xff84)}\uff9e`,
  'characters that expand': (random) => pick(random, EXPANDING),
  'the character that expands most': () => '\ufdfa',
  'families of emoji': (random) => repeat(between(random, 2, 5), () => `${pick(random, PEOPLE)}${pick(random, SKIN)}\u200d`),
  'one emoji without an end': () => '👩\u200d',
  'flags without spaces': (random) => codePoint(random, 0x1f1e6, 0x1f1ff),
  'joiners between letters': () => 'a\u200d\u200d\u200d',
  'a letter in invisible characters': (random) =>
    `a${repeat(20, () =>
      pick(
        random,
        INVISIBLE.filter((one) => one !== '\ufe0f'),
      ),
    )}`,
  'tags after a letter': (random) => `🏴${repeat(12, () => codePoint(random, 0xe0061, 0xe007a))}\u{e007f}`,
  'isolates, closed': () => '\u2067ab\u2069',
  'overrides, closed': () => '\u202e\u202dab\u202c\u202c',
  'Hebrew and Arabic': () => 'שלום عليكم ',
  markup: () => '<b>&amp;"\'</b>',
  'line breaks': () => 'a\n\n',
  'digits and points': (random) => `${between(random, 0, 9)}.`,
  'special tokens of a model': () => '<|endoftext|>',
  'operators of a query': () => '& | ! (:* <-> ',
};

/** Texts that the policy refuses, at any length from a few dozen units on. */
const refused: Readonly<Record<string, Maker>> = {
  'marks without an end': (random) => pick(random, MARKS),
  'one mark without an end': () => '\u0301',
  'voice marks without an end': () => '\uff9e',
  'marks that are two marks': () => '\u0344',
  'nothing visible': (random) => pick(random, INVISIBLE),
  'only tags': (random) => codePoint(random, 0xe0020, 0xe007e),
  'only variation selectors': (random) => codePoint(random, 0xe0100, 0xe01ef),
  'only white space': (random) => pick(random, [' ', '\u00a0', '\u2003', '\u3000', '\n', '\t']),
  'overrides, open': () => 'a\u202e',
  'isolates, open': () => 'a\u2066',
  'closings without an opening': () => 'a\u2069',
  'escape sequences': () => '\u001b[31mx',
  'U+0000': () => 'a\u0000',
  'half pairs': () => '\ud83d',
};

const fill = (make: Maker, random: Random, length: number): string => {
  const units: string[] = [];
  let filled = 0;
  for (;;) {
    const unit = make(random);
    if (filled + unit.length > length) return units.join('');
    units.push(unit);
    filled += unit.length;
  }
};

/**
 * One text of each kind, about `length` UTF-16 units long (never longer; 64 at least), the same ones for the same seed: combining marks, joiners,
 * bidirectional controls, expansion under normalization, words without an end, scripts without spaces, emoji, tags, invisible text.
 */
export const hostileTexts = ({ seed, length = MAX_CONTENT_LENGTH }: { seed: number; length?: number }): HostileText[] => {
  const random = seededRandom(seed);
  const made = (makers: Readonly<Record<string, Maker>>, isAccepted: boolean) =>
    Object.entries(makers).map(([kind, make]) => ({ kind, isAccepted, text: fill(make, random, Math.max(64, length)) }));
  return [...made(accepted, true), ...made(refused, false)];
};
