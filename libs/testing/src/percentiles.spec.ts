import { describe, expect, it } from 'vitest';
import { percentile } from './percentiles.js';

describe('percentile', () => {
  const oneToHundred = Array.from({ length: 100 }, (_, i) => 100 - i);

  it.each([
    [0, 1],
    [0.5, 50],
    [0.95, 95],
    [0.951, 96],
    [1, 100],
  ])('gives at %d of 1 to 100 the sample %i', (share, expected) => {
    expect(percentile(oneToHundred, share)).toBe(expected);
  });

  it('gives samples that were really seen, also of few', () => {
    expect([0.5, 0.95].map((share) => percentile([2, 1], share))).toEqual([1, 2]);
    expect(percentile([3], 0.99)).toBe(3);
    expect(percentile([], 0.5)).toBeUndefined();
  });
});
