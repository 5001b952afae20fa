import { describe, expect, it } from 'vitest';
import { SemaphoreFull } from './semaphore.js';
import { SemaphorePerCaller } from './semaphore-per-caller.js';

const heldOpen = () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { work: () => promise, release: () => resolve() };
};

describe('SemaphorePerCaller', () => {
  it('makes a caller wait for its own work, and no other caller', async () => {
    const semaphores = new SemaphorePerCaller('test', { concurrent: 1, queued: 1 });
    const { work, release } = heldOpen();
    const order: string[] = [];
    const first = semaphores.run('mallory', work);
    const second = semaphores.run('mallory', async () => void order.push('mallory'));
    await expect(semaphores.run('mallory', async () => undefined)).rejects.toThrow(SemaphoreFull);
    await semaphores.run('bob', async () => void order.push('bob'));
    release();
    await Promise.all([first, second]);
    expect(order).toEqual(['bob', 'mallory']);
  });

  it('keeps nothing of callers that have no work in hand', async () => {
    const semaphores = new SemaphorePerCaller('test', { concurrent: 1, queued: 1 });
    await Promise.all(Array.from({ length: 100 }, (_, i) => semaphores.run(`user-${i}`, async () => undefined)));
    await expect(semaphores.run('alice', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(semaphores.size).toBe(0);
  });
});
