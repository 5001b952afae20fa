import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const words = [...readFileSync('docs/reference/glossary.md', 'utf8').matchAll(/^\| ([^|]+) \| ([^|]+) \|$/gm)]
  .map(([, word = '']) => word.replaceAll('`', ''))
  .filter((word) => word !== 'word' && word !== '---');

it('the glossary has each word once, in the order of the alphabet', () => {
  expect(words.length).toBeGreaterThan(40);
  expect(words).toEqual([...new Set(words)].toSorted((one, other) => one.localeCompare(other, 'en')));
});
