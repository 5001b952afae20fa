import { describe, expect, it } from 'vitest';
import { Content, MAX_CONTENT_LENGTH } from './text.js';

describe('the text of a message', () => {
  it.each([
    ['one character', 'a'],
    ['the longest', 'a'.repeat(MAX_CONTENT_LENGTH)],
    ['Vietnamese with line breaks and tabs', 'Cà phê sữa đá\n\tở Đà Lạt\r\n'],
    ['emoji made of several code points', '👩‍👩‍👧‍👦 ok'],
    ['right-to-left text', 'שלום עולם'],
    ['SQL and markup are just text', "'; DROP TABLE messages; -- <script>"],
  ])('takes %s', (_, text) => {
    expect(Content.safeParse(text).success).toBe(true);
  });

  it.each([
    ['nothing', ''],
    ['blank text', ' \n\t '],
    ['one character too many', 'a'.repeat(MAX_CONTENT_LENGTH + 1)],
    ['U+0000', 'a\u0000b'],
    ['an escape character', 'a\u001b[31mb'],
    ['DEL', 'a\u007fb'],
    ['a C1 control', 'a\u0085b'],
    ['a lone high surrogate', 'a\ud800b'],
    ['a lone low surrogate', 'a\udc00b'],
    ['a number', 7],
  ])('refuses %s', (_, text) => {
    expect(Content.safeParse(text).success).toBe(false);
  });
});
