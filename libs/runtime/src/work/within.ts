/**
 * The result of `work`, or of `onLate` when `work` has not settled after `ms`. `work` goes on then, and what it rejects with later is dropped.
 * @throws what `work` rejects with, or what `onLate` throws.
 */
export async function withTimeLimit<T, Late>(ms: number, work: Promise<T>, onLate: () => Late | Promise<Late>): Promise<T | Late> {
  const { promise: timeUp, resolve } = Promise.withResolvers<typeof LATE>();
  const timer = setTimeout(resolve, ms, LATE);
  try {
    const first = await Promise.race([work, timeUp]);
    return first === LATE ? await onLate() : first;
  } finally {
    clearTimeout(timer);
  }
}

const LATE = Symbol('late');

/** Waits for `work`, but no longer than `ms`. @returns whether it came to its end. @throws what it rejects with. */
export const within = (ms: number, work: Promise<unknown>): Promise<boolean> =>
  withTimeLimit(
    ms,
    work.then(() => true),
    () => false,
  );
