import { describe, expect, it } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { eventually } from '#lib/testing/eventually';
import { PeriodicTasks, pauseMs } from './periodic-tasks.js';

const logger = createLogger('test', 'silent');

describe('periodic tasks', () => {
  it('go on after a failure, and one that fails holds up no other', async () => {
    const runs = { failing: 0, fine: 0 };
    const tasks = new PeriodicTasks(
      [
        { name: 'failing', everyMs: 1, run: () => Promise.reject(new Error(`failure ${(runs.failing += 1)}`)) },
        { name: 'fine', everyMs: 1, run: async () => (runs.fine += 1) },
      ],
      logger,
    );
    tasks.start();
    await eventually(() => {
      expect(runs.failing).toBeGreaterThan(2);
      expect(runs.fine).toBeGreaterThan(2);
    });
    await tasks.stop();
  });

  it.each([
    [0, 5_000],
    [2_000, 3_000],
    [9_000, 2_500],
  ])('keep their pace: a run of %i ms is followed by a pause of %i ms of five seconds', (tookMs, pause) => {
    expect(pauseMs(5_000, tookMs)).toBe(pause);
  });

  it('end when told, after the run that is under way and without waiting for the next one', async () => {
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
    let isStopped = false;
    const tasks = new PeriodicTasks([{ name: 'slow', everyMs: 3_600_000, run: () => held }], logger);
    tasks.start();
    const stopped = tasks.stop().then(() => (isStopped = true));
    await Promise.resolve();
    expect(isStopped).toBe(false);
    letGo();
    await stopped;
  });

  it('end at once when they were never started', async () => {
    let runs = 0;
    await new PeriodicTasks([{ name: 'never', everyMs: 1, run: async () => (runs += 1) }], logger).stop();
    expect(runs).toBe(0);
  });
});
