import { expect, it } from 'vitest';
import { cpuMsOf } from '#lib/testing/cpu-time';
import { isOfModestShape } from './json-shape.js';

const modest = (text: string): boolean => isOfModestShape(Buffer.from(text));

it.each([
  ['an object', '{"content":"hi","metadata":{"a":[1,2,{"b":null}]}}'],
  ['32 levels', `${'['.repeat(32)}${']'.repeat(32)}`],
  ['brackets and commas in a string', JSON.stringify({ content: '[{,'.repeat(30_000) })],
  ['quotes in a string', JSON.stringify({ content: '"[{,\\'.repeat(30_000) })],
  ['many pieces side by side', `[${'[],'.repeat(5_000)}[]]`],
  ['what is no JSON', '"'],
  ['nothing', ''],
])('lets pass %s', (_, text) => {
  expect(modest(text)).toBe(true);
});

it.each([
  ['33 levels', `${'['.repeat(33)}${']'.repeat(33)}`],
  ['33 levels of objects', `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`],
  ['levels behind a string that ends with a backslash', `["\\\\",${'['.repeat(33)}${']'.repeat(33)}]`],
  ['20,001 numbers', `[${'1,'.repeat(20_000)}1]`],
  ['20,001 empty objects', `[${'{},'.repeat(20_000)}{}]`],
])('refuses %s', (_, text) => {
  expect(modest(text)).toBe(false);
});

it('measuring the shape of JSON takes time linear in the text, whatever is in it', async () => {
  const size = 10_000_000;
  for (const piece of ['\\"', '\\\\', '"', '[]', '{},', 'x']) {
    const text = `"${piece.repeat(size / piece.length)}"`;
    const bytes = Buffer.from(text);
    // Some tens of milliseconds; quadratic would be hours.
    expect(await cpuMsOf(() => isOfModestShape(bytes))).toBeLessThan(2_000);
  }
});
