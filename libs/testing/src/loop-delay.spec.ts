import { setTimeout as passing } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { loopDelayDuring } from './loop-delay.js';

it('the loop delay shows work that never lets the loop turn, and none in work that waits', async () => {
  const spin = async () => {
    for (const until = performance.now() + 300; performance.now() < until; );
  };
  expect((await loopDelayDuring(spin)).maxMs).toBeGreaterThan(250);
  expect((await loopDelayDuring(() => passing(300))).maxMs).toBeLessThan(250);
});
