import { expect, it } from 'vitest';
import { fuseByReciprocalRank } from './reciprocal-rank-fusion.js';

it('reciprocal rank fusion scores an id by the sum of 1 / (60 + place) over the lists that have it', () => {
  const [first, second] = fuseByReciprocalRank([
    ['a', 'b'],
    ['b', 'c'],
  ]);
  expect(first).toEqual({ id: 'b', score: 1 / 62 + 1 / 61 });
  expect(second).toEqual({ id: 'a', score: 1 / 61 });
});

it('reciprocal rank fusion puts an id that two lists agree on above the best of a single list', () => {
  const fused = fuseByReciprocalRank([
    ['only-dense', 'agreed'],
    ['only-sparse', 'agreed'],
  ]);
  expect(fused.map(({ id }) => id)).toEqual(['agreed', 'only-dense', 'only-sparse']);
});

it('reciprocal rank fusion keeps the order of a single list', () => {
  expect(fuseByReciprocalRank([['x', 'y', 'z']]).map(({ id }) => id)).toEqual(['x', 'y', 'z']);
});

it('reciprocal rank fusion fuses nothing into nothing', () => {
  expect(fuseByReciprocalRank([[], []])).toEqual([]);
});
