import { describe, expect, it } from 'vitest';
import { fullJitter } from './backoff.js';

describe('fullJitter', () => {
  const limits = { baseMs: 100, capMs: 1_000 };

  it.each([
    [0, 100],
    [1, 100],
    [2, 200],
    [4, 800],
    [5, 1_000],
    [60, 1_000],
  ])('waits anything up to its ceiling after %i failures: %i ms', (failures, ceiling) => {
    expect(fullJitter(failures, limits, () => 0)).toBe(0);
    expect(fullJitter(failures, limits, () => 0.5)).toBe(ceiling / 2);
    expect(fullJitter(failures, limits, () => 1)).toBe(ceiling);
  });
});
