import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * One full collection, 50 to 100 ms. After the start: V8 would keep what building the process left behind until the old generation has grown
 * by itself, and Node offers no other way to ask for it without a flag (docs/performance/memory.md).
 */
export const collectGarbage = (): void => {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
};
