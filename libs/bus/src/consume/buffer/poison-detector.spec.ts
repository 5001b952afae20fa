import { describe, expect, it } from 'vitest';
import { DependencyError } from '#lib/resilience/call/errors';
import { PoisonDetector } from './poison-detector.js';

const timeout = new DependencyError('chroma', 'upsert', 'timeout');

describe('PoisonDetector', () => {
  it('poison is proven by the third outage with successes of others in between', () => {
    const detector = new PoisonDetector();
    const proven = [10, 11, 12, 13].map((passedCount) => {
      detector.metOutage(timeout, passedCount);
      return detector.isProven;
    });
    expect(proven).toEqual([false, false, false, true]);
  });

  it('poison is never proven while no other event succeeds: that is an outage', () => {
    const detector = new PoisonDetector();
    for (let outage = 0; outage < 1_000; outage += 1) detector.metOutage(timeout, 10);
    expect(detector.isProven).toBe(false);
  });

  it('a call that was not tried proves nothing', () => {
    const detector = new PoisonDetector();
    for (let passed = 0; passed < 10; passed += 1) detector.metOutage(new DependencyError('chroma', 'upsert', 'open'), passed);
    expect(detector.isProven).toBe(false);
  });
});
