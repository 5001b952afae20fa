import { expect, it } from 'vitest';
import { pauseBefore } from './backoff.js';
import { closeCodes } from './frames.js';

const bounds = { minMs: 200, maxMs: 10_000 };
const most = (attempt: number, code?: number) => pauseBefore(attempt, code, bounds, () => 1);

it('the pause is anything from nothing to a bound that doubles up to ten seconds', () => {
  expect([0, 1, 2, 5, 6, 1_000].map((attempt) => most(attempt))).toEqual([200, 400, 800, 6_400, 10_000, 10_000]);
  expect(pauseBefore(9, undefined, bounds, () => 0)).toBe(0);
});

it.each([closeCodes.shuttingDown, closeCodes.slowConsumer, closeCodes.noPong, 1006, 1013])(
  'after code %i the client comes back as after any loss',
  (code) => {
    expect(most(0, code)).toBe(200);
  },
);

it.each([
  [closeCodes.rateLimited, 10_000],
  [closeCodes.badFrame, 30_000],
  [closeCodes.forbiddenOrigin, 30_000],
])('after code %i the client stays away for at least %i ms', (code, least) => {
  expect(pauseBefore(0, code, bounds, () => 0)).toBe(least);
});
