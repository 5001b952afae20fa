import { expect, it } from 'vitest';
import { spread } from './summary.js';

it('the summary gives percentiles that were really measured', () => {
  const oneToHundred = Array.from({ length: 100 }, (_, i) => 100 - i);
  expect(spread(oneToHundred)).toEqual({ p50: 50, p95: 95, max: 100 });
  expect(spread([3])).toEqual({ p50: 3, p95: 3, max: 3 });
  expect(spread([1, 2])).toEqual({ p50: 1, p95: 2, max: 2 });
});

it('the summary says nothing where nothing was measured', () => {
  expect(spread([])).toEqual({ p50: null, p95: null, max: null });
});
