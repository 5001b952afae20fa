import { NO_CALLER, runInScope } from '#lib/runtime/log/scope';

/**
 * Batches what is added in one turn of the event loop, without a timer: many items cost hardly more than one.
 * `handle` runs for all of them, so outside any caller's deadline and log context; it must not throw.
 */
export const batchPerTick = <T>(handle: (items: T[]) => void): ((item: T) => void) => {
  let items: T[] = [];
  const flush = () => {
    const batch = items;
    items = [];
    handle(batch);
  };
  return (item) => {
    items.push(item);
    if (items.length === 1) runInScope(NO_CALLER, () => setImmediate(flush));
  };
};
