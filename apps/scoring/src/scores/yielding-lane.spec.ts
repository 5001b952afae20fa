import { expect, it } from 'vitest';
import { YieldingLane } from './yielding-lane.js';

/** A lane on a clock that only work and rest move. */
const laneOnClock = () => {
  let at = 0;
  const rests: number[] = [];
  const pass = async (ms: number) => {
    at += ms;
  };
  const sleep = (ms: number) => {
    rests.push(ms);
    return pass(ms);
  };
  return { lane: new YieldingLane({ now: () => at, sleep }), rests, pass };
};

it('a lane that yields lets the first work begin at once, and rests three times as long as each took', async () => {
  const { lane, rests, pass } = laneOnClock();
  for (const ms of [10, 20, 10]) await lane.run(() => pass(ms));
  expect(rests).toEqual([30, 60]);
});

it('a lane that yields rests a quarter of a second at most: waiting for a model costs this machine nothing', async () => {
  const { lane, rests, pass } = laneOnClock();
  for (const ms of [5_000, 10]) await lane.run(() => pass(ms));
  expect(rests).toEqual([250]);
});

it('a lane that yields rests after work that fails, too', async () => {
  const { lane, rests, pass } = laneOnClock();
  const failing = async () => {
    await pass(10);
    throw new Error('no');
  };
  await expect(lane.run(failing)).rejects.toThrow('no');
  await lane.run(() => pass(10));
  expect(rests).toEqual([30]);
});

it('a lane that yields has nothing wait that comes after the rest', async () => {
  const { lane, rests, pass } = laneOnClock();
  await lane.run(() => pass(10));
  await pass(30);
  await lane.run(() => pass(10));
  expect(rests).toEqual([]);
});
