import { expect, it } from 'vitest';
import { restartDelayMs } from './run-workers.js';

it('the supervisor starts a worker again at once after its first death, and ever later when it keeps dying', () => {
  expect([1, 2, 3, 4, 8, 9, 50].map(restartDelayMs)).toEqual([200, 400, 800, 1_600, 25_600, 30_000, 30_000]);
});
