import { expect, it } from 'vitest';
import { printable } from './printable.js';

it('printable text shows what a terminal would obey, and leaves everything else as it is', () => {
  expect(printable('\u001b]0;title\u0007 \u009b31m \u202eabc\u007f\r\n')).toBe(
    '\\u001b]0;title\\u0007 \\u009b31m \\u202eabc\\u007f\\u000d\n',
  );
  expect(printable('Xin chào, 你好 👋🏽')).toBe('Xin chào, 你好 👋🏽');
});

it('printable text of JSON has the same value', () => {
  const value = { text: 'a\u009bb\u202ec\u001bd' };
  expect(JSON.parse(printable(JSON.stringify(value, undefined, 2)))).toEqual(value);
});
