import { setTimeout as passing } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { cpuMs } from './cpu-time.js';
import { loopHoldDuring } from './loop-hold.js';

it('the hold of the loop shows work that never lets the loop turn, and none in work that waits', async () => {
  const spin = async () => {
    for (const until = cpuMs() + 300; cpuMs() < until; );
  };
  expect((await loopHoldDuring(spin)).maxMs).toBeGreaterThan(250);
  expect((await loopHoldDuring(() => passing(300))).maxMs).toBeLessThan(100);
});
