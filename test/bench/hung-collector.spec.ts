import { describe, expect, it } from 'vitest';
import { controlRatio, hungRatio, type PairedWindow } from './hung-collector.js';

/** Windows in which the second Parley is half as slow again, whatever hangs, and what hangs costs `cost`; each with a load of its own. */
const windows = (cost: number): PairedWindow[] =>
  Array.from({ length: 60 }, (_, i) => {
    const load = 10 + ((i * 7_919) % 40);
    const noise = 1 + (((i * 104_729) % 21) - 10) / 100;
    return [
      { phase: 'control', p99Ms: [load * noise, load * 1.5] },
      { phase: 'first', p99Ms: [load * noise * cost, load * 1.5] },
      { phase: 'second', p99Ms: [load * noise, load * 1.5 * cost] },
    ] as const satisfies readonly PairedWindow[];
  }).flat();

describe('The ratio of a collector that hangs to one that answers', () => {
  it.each([1, 1.05, 1.5])('finds a cost of %d, whatever the machine and the two Parleys differ in', (cost) => {
    const { ratio, from, to } = hungRatio(windows(cost));
    expect(Math.abs(ratio / cost - 1)).toBeLessThan(0.02);
    expect(from).toBeLessThanOrEqual(cost);
    expect(to).toBeGreaterThanOrEqual(cost);
    expect(to / from).toBeLessThan(1.1);
  });

  it('shows in the control how much the two differ without it', () => {
    expect(controlRatio(windows(1.5)).ratio).toBeCloseTo(1 / 1.5, 1);
  });

  it('gives the same interval for the same windows', () => {
    expect(hungRatio(windows(1.05))).toEqual(hungRatio(windows(1.05)));
  });
});
