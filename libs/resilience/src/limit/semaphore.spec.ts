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

describe('Semaphore.run', () => {
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

    expect(semaphore.isFull).toBe(true);
    await expect(semaphore.run(() => Promise.resolve(), { withinMs: 60_000 })).rejects.toBeInstanceOf(SemaphoreFull);

    running.finish();
    waiting.finish();
    await Promise.all(jobs);
  });

  it('refuses a call that got no permit in time, and does not give it one later', async () => {
    const semaphore = new Semaphore('patience', { concurrent: 1, queued: 2 });
    const running = work();
    const first = semaphore.run(running.run);
    const patient = semaphore.run(() => Promise.resolve('ran'), { withinMs: 10_000 });

    await expect(semaphore.run(() => Promise.resolve(), { withinMs: 20 })).rejects.toBeInstanceOf(SemaphoreFull);
    running.finish();
    await first;

    expect(await patient).toBe('ran');
    expect(await gauges('patience')).toEqual({ active: 0, queued: 0 });
  });

  it('lets a waiting call give up without taking a permit, and keeps the order of the others', async () => {
    const semaphore = new Semaphore('give-up', { concurrent: 1, queued: 2 });
    const running = work();
    const controller = new AbortController();
    const first = semaphore.run(running.run);
    const impatient = semaphore.run(() => Promise.resolve('ran'), { signal: controller.signal });
    const patient = semaphore.run(() => Promise.resolve('ran'));

    controller.abort(new Error('no more time'));

    await expect(impatient).rejects.toThrow('no more time');
    running.finish();
    await first;
    expect(await patient).toBe('ran');
  });

  it('leaves no listener at the signal of a call that waited and ran', async () => {
    const semaphore = new Semaphore('listeners', { concurrent: 1, queued: 1 });
    const running = work();
    const { signal } = new AbortController();
    const jobs = [semaphore.run(running.run), semaphore.run(() => Promise.resolve(), { signal })];

    running.finish();
    await Promise.all(jobs);

    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('does not start a call that has no time left', async () => {
    const semaphore = new Semaphore('late', { concurrent: 1, queued: 1 });
    const signal = AbortSignal.abort(new Error('no more time'));

    await expect(semaphore.run(() => Promise.resolve(), { signal })).rejects.toThrow('no more time');
  });

  it('releases the permit when the work fails', async () => {
    const semaphore = new Semaphore('failure', { concurrent: 1, queued: 0 });
    await expect(semaphore.run(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');

    expect(await semaphore.run(() => Promise.resolve('ran'))).toBe('ran');
  });

  it('refuses all that wait with the reason it is given, and lets go on what runs', async () => {
    const semaphore = new Semaphore('refused', { concurrent: 1, queued: 2 });
    const running = work();
    const first = semaphore.run(running.run);
    const waiting = [semaphore.run(() => Promise.resolve()), semaphore.run(() => Promise.resolve())];

    semaphore.refuseWaiting(() => new Error('closed'));

    for (const one of waiting) await expect(one).rejects.toThrow('closed');
    running.finish();
    await first;
    expect(await gauges('refused')).toEqual({ active: 0, queued: 0 });
  });

  it('serves callers in turn, and lets none of them fill the queue', async () => {
    const semaphore = new Semaphore('turns', { concurrent: 1, queued: 10, queuedPerCaller: 3 });
    const running = work();
    const order: string[] = [];
    const call = (caller: string, name: string) => semaphore.run(async () => void order.push(name), { caller });
    const jobs = [semaphore.run(running.run, { caller: 'mallory' })];
    for (const name of ['m1', 'm2', 'm3']) jobs.push(call('mallory', name));
    await expect(call('mallory', 'm4')).rejects.toBeInstanceOf(SemaphoreFull);
    jobs.push(call('bob', 'b1'));

    running.finish();
    await Promise.all(jobs);

    expect(order).toEqual(['m1', 'b1', 'm2', 'm3']);
  });

  it('shows in the metrics how many run and how many wait', async () => {
    const semaphore = new Semaphore('gauges', { concurrent: 1, queued: 5 });
    const running = work();
    const controller = new AbortController();
    const jobs = [
      semaphore.run(running.run),
      semaphore.run(() => Promise.resolve(), { signal: controller.signal }),
      semaphore.run(() => Promise.resolve()),
    ];

    expect(await gauges('gauges')).toEqual({ active: 1, queued: 2 });
    controller.abort();
    expect(await gauges('gauges')).toEqual({ active: 1, queued: 1 });
    running.finish();
    await Promise.allSettled(jobs);
    expect(await gauges('gauges')).toEqual({ active: 0, queued: 0 });
  });

  it('shows a watcher how many permits are in use, wanted and released', async () => {
    const semaphore = new Semaphore('watched', { concurrent: 1, queued: 5 });
    const running = work();
    const jobs = [semaphore.run(running.run), semaphore.run(() => Promise.resolve())];

    expect(semaphore.state).toEqual({ size: 1, inUse: 1, waiting: 1, releases: 0 });
    running.finish();
    await Promise.all(jobs);

    expect(semaphore.state).toEqual({ size: 1, inUse: 0, waiting: 0, releases: 2 });
  });
});

describe('A permit that is acquired and released by hand', () => {
  const unmeasured = (concurrent: number, queued: number) => new Semaphore(undefined, { concurrent, queued });

  it('is handed to the first that waits, never to one that comes in between', async () => {
    const semaphore = unmeasured(1, 10);
    const order: string[] = [];
    expect(semaphore.tryAcquire()).toBe(true);
    const second = semaphore.acquire({ withinMs: 1_000 }).then(() => order.push('second'));
    const third = semaphore.acquire({ withinMs: 1_000 }).then(() => order.push('third'));
    semaphore.release();
    expect(semaphore.tryAcquire()).toBe(false);
    await second;
    semaphore.release();
    await third;
    expect(order).toEqual(['second', 'third']);
    expect(semaphore.state.inUse).toBe(1);
  });

  it('is not waited for when no time is left', async () => {
    const semaphore = unmeasured(1, 10);
    semaphore.tryAcquire();
    await expect(semaphore.acquire({ withinMs: 0 })).rejects.toBeInstanceOf(SemaphoreFull);
    await expect(semaphore.acquire({ withinMs: 5 })).rejects.toBeInstanceOf(SemaphoreFull);
    semaphore.release();
    expect(semaphore.state).toMatchObject({ inUse: 0, waiting: 0 });
    expect(semaphore.tryAcquire()).toBe(true);
  });

  it('may exceed the limit for work that held one before, and others wait until the surplus is gone', async () => {
    const semaphore = unmeasured(1, 1);
    semaphore.tryAcquire();
    semaphore.acquireAnyway();
    const waiting = semaphore.acquire({ withinMs: 1_000 });
    semaphore.release();
    expect(semaphore.state).toMatchObject({ inUse: 1, waiting: 1 });
    semaphore.release();
    await waiting;
    expect(semaphore.state).toMatchObject({ inUse: 1, waiting: 0 });
  });

  it('keeps the semaphore from being idle until it is released', async () => {
    const semaphore = unmeasured(2, 0);
    await semaphore.idle();
    semaphore.tryAcquire();
    let isIdle = false;
    const idle = semaphore.idle().then(() => (isIdle = true));
    await Promise.resolve();
    expect(isIdle).toBe(false);
    semaphore.release();
    await idle;
    expect(isIdle).toBe(true);
  });
});
