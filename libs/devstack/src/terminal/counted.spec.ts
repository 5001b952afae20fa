import { expect, it } from 'vitest';
import { counted } from './counted.js';

it.each([
  [0, '0 vectors'],
  [1, '1 vector'],
  [2, '2 vectors'],
])('a count of %i is written %s', (count, text) => {
  expect(counted(count, 'vector')).toBe(text);
});
