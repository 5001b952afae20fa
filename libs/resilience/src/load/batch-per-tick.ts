import { runInScope } from '#lib/runtime/log/scope';

const NOBODYS = { context: undefined, deadline: undefined };

/**
 * Gathers what is added in one turn of the event loop and hands it over together at its end: requests are read from their sockets one by
 * one, and what they all ask for in the same turn costs hardly more than what one asks for. It waits for no timer. `handle` runs under
 * nobody's deadline and in nobody's context, because it runs for all of them; it must not throw.
 */
export const batchPerTick = <T>(handle: (items: T[]) => void): ((item: T) => void) => {
  let items: T[] = [];
  const handOver = () => {
    const gathered = items;
    items = [];
    handle(gathered);
  };
  return (item) => {
    items.push(item);
    if (items.length === 1) runInScope(NOBODYS, () => setImmediate(handOver));
  };
};
