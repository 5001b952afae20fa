import { getEventListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { metrics } from '#lib/runtime/metrics/metrics';
import { Semaphore, SemaphoreFull } from './semaphore.js';

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

describe('Semaphore', () => {
  it('never runs more than its limit, and lets the others in in the order they came', async () => {
    const semaphore = new Semaphore('order', { concurrent: 2, queued: 10 });
    const started: number[] = [];
    let most = 0;
    let active = 0;
    const jobs = Array.from({ length: 8 }, (_, index) =>
      semaphore.run(async () => {
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
    const semaphore = new Semaphore('full', { concurrent: 1, queued: 1 });
    const [running, waiting] = [work(), work()];
    const jobs = [semaphore.run(running.run), semaphore.run(waiting.run)];

    await expect(semaphore.run(() => Promise.resolve())).rejects.toBeInstanceOf(SemaphoreFull);

    running.finish();
    waiting.finish();
    await Promise.all(jobs);
  });

  it('refuses who found no place in time', async () => {
    const semaphore = new Semaphore('patience', { concurrent: 1, queued: 2 });
    const running = work();
    const first = semaphore.run(running.run);
    const patient = semaphore.run(() => Promise.resolve('ran'), undefined, 10_000);

    await expect(semaphore.run(() => Promise.resolve(), undefined, 20)).rejects.toBeInstanceOf(SemaphoreFull);
    running.finish();
    await first;

    expect(await patient).toBe('ran');
    expect((await gauges('patience')).queued).toBe(0);
  });

  it('lets a waiting call give up without taking a place, and keeps the order of the others', async () => {
    const semaphore = new Semaphore('give-up', { concurrent: 1, queued: 2 });
    const running = work();
    const controller = new AbortController();
    const first = semaphore.run(running.run);
    const impatient = semaphore.run(() => Promise.resolve('ran'), controller.signal);
    const patient = semaphore.run(() => Promise.resolve('ran'));

    controller.abort(new Error('no more time'));

    await expect(impatient).rejects.toThrow('no more time');
    running.finish();
    await first;
    expect(await patient).toBe('ran');
  });

  it('leaves nothing at the signal of a call that waited and ran', async () => {
    const semaphore = new Semaphore('listeners', { concurrent: 1, queued: 1 });
    const running = work();
    const { signal } = new AbortController();
    const jobs = [semaphore.run(running.run), semaphore.run(() => Promise.resolve(), signal)];

    running.finish();
    await Promise.all(jobs);

    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('does not let in whoever has no time left', async () => {
    const semaphore = new Semaphore('late', { concurrent: 1, queued: 1 });

    await expect(semaphore.run(() => Promise.resolve(), AbortSignal.abort(new Error('no more time')))).rejects.toThrow('no more time');
  });

  it('gives the place back when the work fails', async () => {
    const semaphore = new Semaphore('failure', { concurrent: 1, queued: 0 });
    await expect(semaphore.run(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');

    expect(await semaphore.run(() => Promise.resolve('ran'))).toBe('ran');
  });

  it('shows how many run and how many wait', async () => {
    const semaphore = new Semaphore('gauges', { concurrent: 1, queued: 5 });
    const running = work();
    const controller = new AbortController();
    const jobs = [
      semaphore.run(running.run),
      semaphore.run(() => Promise.resolve(), controller.signal),
      semaphore.run(() => Promise.resolve()),
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
  const semaphore = new Semaphore('watched', { concurrent: 1, queued: 5 });
  const running = work();
  const jobs = [semaphore.run(running.run), semaphore.run(() => Promise.resolve())];

  expect(semaphore.state).toEqual({ size: 1, inUse: 1, waiting: 1, releases: 0 });
  running.finish();
  await Promise.all(jobs);

  expect(semaphore.state).toEqual({ size: 1, inUse: 0, waiting: 0, releases: 2 });
});
