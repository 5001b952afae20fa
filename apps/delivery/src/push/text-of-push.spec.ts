import { describe, expect, it } from 'vitest';
import { beginningOf } from './text-of-push.js';

const family = '👨‍👩‍👧‍👦';

describe('the beginning of a text', () => {
  it.each<[string, string, { characters?: number; bytes: number }, string]>([
    ['a short text', 'Xin chào', { bytes: 1_000 }, 'Xin chào'],
    ['a text of just the length', 'x'.repeat(120), { bytes: 1_000 }, 'x'.repeat(120)],
    ['a longer text', 'x'.repeat(121), { bytes: 1_000 }, `${'x'.repeat(120)}…`],
    ['families', family.repeat(3), { characters: 2, bytes: 1_000 }, `${family}${family}…`],
    ['accents in characters of their own', 'e\u0301'.repeat(3), { characters: 2, bytes: 1_000 }, `${'e\u0301'.repeat(2)}…`],
    ['flags', '🇻🇳🇩🇪🇫🇷', { characters: 2, bytes: 1_000 }, '🇻🇳🇩🇪…'],
    ['more bytes than allowed', family.repeat(10), { bytes: 60 }, `${family}${family}…`],
    ['one character that is too long', family, { bytes: 20 }, ''],
    ['nothing', '', { bytes: 20 }, ''],
  ])('keeps whole characters of %s', (_, text, limits, shown) => {
    expect(beginningOf(text, limits)).toBe(shown);
    expect(Buffer.byteLength(beginningOf(text, limits))).toBeLessThanOrEqual(limits.bytes);
  });
});
