import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { currentDeadline, remainingMs, withDeadline, withoutDeadline } from './deadline.js';
import { DeadlineExceeded } from './errors.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const never = (): Promise<never> => new Promise(() => undefined);
const ending = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

it('a deadline settles in time although the work does not, and tells the work', async () => {
  let signal: AbortSignal | undefined;
  const end = ending(
    withDeadline(500, (deadline) => {
      signal = deadline.signal;
      return never();
    }),
  );

  await vi.advanceTimersByTimeAsync(500);

  expect(await end).toBeInstanceOf(DeadlineExceeded);
  expect(signal?.aborted).toBe(true);
});

it('a deadline leaves nothing behind when the work is done', async () => {
  expect(await withDeadline(500, () => Promise.resolve('done'))).toBe('done');

  expect(vi.getTimerCount()).toBe(0);
});

it('a deadline is known to everything that the work calls', async () => {
  await withDeadline(500, async () => {
    await Promise.resolve();
    expect(remainingMs()).toBe(500);
  });

  expect(remainingMs()).toBe(Number.POSITIVE_INFINITY);
});

it('a deadline can only be made shorter from inside', async () => {
  const end = ending(withDeadline(100, () => withDeadline(10_000, never)));

  await vi.advanceTimersByTimeAsync(100);

  expect(await end).toMatchObject({ budgetMs: 100 });
});

it('a deadline does not follow work that outlives the request', async () => {
  await withDeadline(500, () => {
    expect(withoutDeadline(() => currentDeadline())).toBeUndefined();
    return Promise.resolve();
  });
});

it('a deadline swallows the failure of work whose time was over', async () => {
  vi.useRealTimers();
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  const { promise, reject } = Promise.withResolvers<never>();
  await ending(withDeadline(1, () => promise));

  reject(new Error('too late'));
  await nextTurn();

  process.off('unhandledRejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});
