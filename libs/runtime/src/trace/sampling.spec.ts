import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { isSampledBy } from './sampling.js';

const ids = Array.from({ length: 20_000 }, () => randomBytes(16).toString('hex'));

it.each([0, 0.1, 0.5, 1])('a ratio of %d samples about that share, all or nothing at the ends', (ratio) => {
  const share = ids.filter((id) => isSampledBy(ratio, id)).length / ids.length;
  expect(Math.abs(share - ratio)).toBeLessThan(ratio === 0 || ratio === 1 ? Number.EPSILON : 0.02);
});

it('a trace that is sampled at one ratio is sampled at every higher one', () => {
  const sampled = ids.filter((id) => isSampledBy(0.1, id));
  expect(sampled.every((id) => isSampledBy(0.2, id))).toBe(true);
});
