import { expect, it } from 'vitest';
import { SemaphoreFull } from './semaphore.js';
import { SemaphorePerCaller } from './semaphore-per-caller.js';

const heldOpen = () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { work: () => promise, release: () => resolve() };
};

it('lets one caller wait for itself, and others not', async () => {
  const places = new SemaphorePerCaller('test', { concurrent: 1, queued: 1 });
  const { work, release } = heldOpen();
  const order: string[] = [];
  const first = places.run('mallory', work);
  const second = places.run('mallory', async () => void order.push('mallory'));
  await expect(places.run('mallory', async () => undefined)).rejects.toThrow(SemaphoreFull);
  await places.run('bob', async () => void order.push('bob'));
  release();
  await Promise.all([first, second]);
  expect(order).toEqual(['bob', 'mallory']);
});

it('remembers nothing of callers who have no work in hand', async () => {
  const places = new SemaphorePerCaller('test', { concurrent: 1, queued: 1 });
  await Promise.all(Array.from({ length: 100 }, (_, i) => places.run(`user-${i}`, async () => undefined)));
  await expect(places.run('alice', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(places.size).toBe(0);
});
