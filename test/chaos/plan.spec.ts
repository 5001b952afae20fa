import { describe, expect, it } from 'vitest';
import { chaosFaults } from './faults.js';
import { randomSteps, stepOf } from './plan.js';

const some = (seed: number, count: number, options?: { least?: number; most?: number }) => {
  const steps = randomSteps(seed, chaosFaults, options);
  return Array.from({ length: count }, () => steps.next().value);
};

describe('the plan of a random run', () => {
  it('is the same for the same seed, step by step', () => {
    expect(some(42, 200)).toEqual(some(42, 200));
    expect(some(42, 50)).toEqual(some(42, 200).slice(0, 50));
  });

  it('is another one for another seed', () => {
    const namesOf = (seed: number) => some(seed, 20).flatMap(({ faults }) => faults.map(({ name }) => name));
    expect(namesOf(1)).not.toEqual(namesOf(2));
  });

  it('hits each target at most once at a time, with one, two and three faults', () => {
    const steps = some(7, 500);
    for (const { faults, pausesMs } of steps) {
      expect(new Set(faults.map(({ target }) => target)).size).toBe(faults.length);
      expect(pausesMs).toHaveLength(faults.length);
    }
    expect(new Set(steps.map(({ faults }) => faults.length))).toEqual(new Set([1, 2, 3]));
  });

  it('holds faults for half as long as they say to half as long again, in both orders', () => {
    const steps = some(7, 500);
    for (const { faults, holdMs } of steps) {
      const longest = Math.max(...faults.map((fault) => fault.holdMs));
      expect(holdMs).toBeGreaterThanOrEqual(longest * 0.5 - 1);
      expect(holdMs).toBeLessThanOrEqual(longest * 1.5 + 1);
    }
    expect(new Set(steps.map(({ isBackwards }) => isBackwards))).toEqual(new Set([true, false]));
  });

  it('comes to every fault', () => {
    const seen = new Set(some(7, 500).flatMap(({ faults }) => faults.map(({ name }) => name)));
    expect(seen).toEqual(new Set(chaosFaults.map(({ name }) => name)));
  });

  it('has only pairs when it is told so', () => {
    expect(some(3, 100, { least: 2, most: 2 }).every(({ faults }) => faults.length === 2)).toBe(true);
  });

  it('has each fault by itself as long as it says', () => {
    expect(chaosFaults.map(stepOf).every(({ faults: [fault], holdMs, pausesMs }) => holdMs === fault?.holdMs && pausesMs[0] === 0)).toBe(
      true,
    );
  });
});

it('no two faults have the same name', () => {
  expect(new Set(chaosFaults.map(({ name }) => name)).size).toBe(chaosFaults.length);
});
