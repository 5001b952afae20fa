import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Readiness } from './readiness.js';

let readiness: Readiness;
beforeEach(() => {
  vi.useFakeTimers();
  readiness = new Readiness();
});
afterEach(() => {
  readiness.stop();
  vi.useRealTimers();
});

const started = (): Readiness => {
  readiness.started();
  return readiness;
};

it('readiness begins when everything is started', () => {
  expect(readiness.isReady).toBe(false);
  expect(started().isReady).toBe(true);
});

it('readiness ends with draining, for good', () => {
  started().drain();
  readiness.started();

  expect(readiness.report()).toEqual({ status: 'not-ready', reasons: ['draining'] });
});

it('readiness pauses while the event loop is more than a second late, and comes back by itself', async () => {
  started();
  // What a blocked event loop looks like from inside: the clock moved on and no timer ran.
  vi.setSystemTime(Date.now());
  const now = vi.spyOn(performance, 'now');
  const realNow = performance.now();
  now.mockReturnValue(realNow + 1_500);
  expect(readiness.report()).toEqual({ status: 'not-ready', reasons: ['event loop is 1250 ms late'] });
  now.mockRestore();

  await vi.advanceTimersByTimeAsync(500);

  expect(readiness.isReady).toBe(true);
});

it('readiness is not disturbed by a process that is only a little late', async () => {
  await vi.advanceTimersByTimeAsync(10_000);

  expect(started().isReady).toBe(true);
  expect(readiness.eventLoopLagMs).toBeLessThan(100);
});

it('readiness can be held for reasons of the process itself, and says them', () => {
  started();
  const release = readiness.hold('queue embedding.messages is declared with other arguments');
  const releaseOther = readiness.hold('not yet connected');

  expect(readiness.report()).toEqual({
    status: 'not-ready',
    reasons: ['queue embedding.messages is declared with other arguments', 'not yet connected'],
  });
  release();
  releaseOther();
  expect(readiness.isReady).toBe(true);
});

it('readiness is held by a condition for as long as that has a reason', () => {
  let drift: string | undefined;
  started().holdWhile(() => drift);
  expect(readiness.isReady).toBe(true);

  drift = 'RabbitMQ differs from what this version wants';
  expect(readiness.report()).toEqual({ status: 'not-ready', reasons: [drift] });

  drift = undefined;
  expect(readiness.isReady).toBe(true);
});
