import { getEventListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { metrics } from '#lib/runtime/metrics/metrics';
import { Bulkhead, BulkheadFull } from './bulkhead.js';

/** Work that ends when the test says so. */
const work = () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { run: () => promise, finish: resolve };
};

const gauges = async (pool: string) => {
  const of = async (gauge: typeof metrics.workerPoolActive) =>
    (await gauge.get()).values.find(({ labels }) => labels['pool'] === pool)?.value ?? 0;
  return { active: await of(metrics.workerPoolActive), queued: await of(metrics.workerPoolQueued) };
};

describe('a bulkhead', () => {
  it('never runs more than its limit, and lets the others in in the order they came', async () => {
    const bulkhead = new Bulkhead('order', { concurrent: 2, queued: 10 });
    const started: number[] = [];
    let most = 0;
    let active = 0;
    const jobs = Array.from({ length: 8 }, (_, index) =>
      bulkhead.run(async () => {
        started.push(index);
        most = Math.max(most, ++active);
        await nextTurn();
        active -= 1;
      }),
    );

    await Promise.all(jobs);

    expect(started).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(most).toBe(2);
  });

  it('refuses at once when enough are waiting', async () => {
    const bulkhead = new Bulkhead('full', { concurrent: 1, queued: 1 });
    const [running, waiting] = [work(), work()];
    const jobs = [bulkhead.run(running.run), bulkhead.run(waiting.run)];

    await expect(bulkhead.run(() => Promise.resolve())).rejects.toBeInstanceOf(BulkheadFull);

    running.finish();
    waiting.finish();
    await Promise.all(jobs);
  });

  it('refuses who found no place in time', async () => {
    const bulkhead = new Bulkhead('patience', { concurrent: 1, queued: 2 });
    const running = work();
    const first = bulkhead.run(running.run);
    const patient = bulkhead.run(() => Promise.resolve('ran'), undefined, 10_000);

    await expect(bulkhead.run(() => Promise.resolve(), undefined, 20)).rejects.toBeInstanceOf(BulkheadFull);
    running.finish();
    await first;

    expect(await patient).toBe('ran');
    expect((await gauges('patience')).queued).toBe(0);
  });

  it('lets a waiting call give up without taking a place, and keeps the order of the others', async () => {
    const bulkhead = new Bulkhead('give-up', { concurrent: 1, queued: 2 });
    const running = work();
    const controller = new AbortController();
    const first = bulkhead.run(running.run);
    const impatient = bulkhead.run(() => Promise.resolve('ran'), controller.signal);
    const patient = bulkhead.run(() => Promise.resolve('ran'));

    controller.abort(new Error('no more time'));

    await expect(impatient).rejects.toThrow('no more time');
    running.finish();
    await first;
    expect(await patient).toBe('ran');
  });

  it('leaves nothing at the signal of a call that waited and ran', async () => {
    const bulkhead = new Bulkhead('listeners', { concurrent: 1, queued: 1 });
    const running = work();
    const { signal } = new AbortController();
    const jobs = [bulkhead.run(running.run), bulkhead.run(() => Promise.resolve(), signal)];

    running.finish();
    await Promise.all(jobs);

    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('does not let in whoever has no time left', async () => {
    const bulkhead = new Bulkhead('late', { concurrent: 1, queued: 1 });

    await expect(bulkhead.run(() => Promise.resolve(), AbortSignal.abort(new Error('no more time')))).rejects.toThrow('no more time');
  });

  it('gives the place back when the work fails', async () => {
    const bulkhead = new Bulkhead('failure', { concurrent: 1, queued: 0 });
    await expect(bulkhead.run(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');

    expect(await bulkhead.run(() => Promise.resolve('ran'))).toBe('ran');
  });

  it('shows how many run and how many wait', async () => {
    const bulkhead = new Bulkhead('gauges', { concurrent: 1, queued: 5 });
    const running = work();
    const controller = new AbortController();
    const jobs = [
      bulkhead.run(running.run),
      bulkhead.run(() => Promise.resolve(), controller.signal),
      bulkhead.run(() => Promise.resolve()),
    ];

    expect(await gauges('gauges')).toEqual({ active: 1, queued: 2 });
    controller.abort();
    expect(await gauges('gauges')).toEqual({ active: 1, queued: 1 });
    running.finish();
    await Promise.allSettled(jobs);
    expect(await gauges('gauges')).toEqual({ active: 0, queued: 0 });
  });
});

it('tells whoever watches it how many places are taken, wanted and given back', async () => {
  const bulkhead = new Bulkhead('watched', { concurrent: 1, queued: 5 });
  const running = work();
  const jobs = [bulkhead.run(running.run), bulkhead.run(() => Promise.resolve())];

  expect(bulkhead.state).toEqual({ size: 1, inUse: 1, waiting: 1, releases: 0 });
  running.finish();
  await Promise.all(jobs);

  expect(bulkhead.state).toEqual({ size: 1, inUse: 0, waiting: 0, releases: 2 });
});
