import { expect, it } from 'vitest';
import { capacityOf, rateFor } from './capacity.js';

const trial = (idleShare: number, busyShare: number) => capacityOf({ idleShare, busyShare, trialPerSecond: 20 });

it('the capacity is what the share of a trial says, less what others use', () => {
  expect(trial(0, 0.25).perSecond).toBe(80);
  expect(trial(0.2, 0.4).perSecond).toBe(80);
  expect(trial(0.5, 0.9).perSecond).toBe(25);
});

it('a run uses half of the capacity, however small or large it is within its bounds', () => {
  expect([trial(0, 0.25), trial(0.5, 0.9), trial(0, 0.01), trial(1, 1)].map(rateFor)).toEqual([40, 12, 100, 5]);
});
