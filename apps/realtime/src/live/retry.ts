import { setTimeout as sleep } from 'node:timers/promises';
import { DependencyError } from '#lib/resilience/call/errors';
import type { Logger } from '#lib/runtime/log/logger';
import { fullJitter } from '#lib/runtime/work/backoff';

const BACKOFF = { baseMs: 100, capMs: 5_000 };

/** Repeats `read` until it succeeds or its answer is not wanted any more; undefined then. Outages are silent, other errors are logged. */
export const persistently = async <T>(logger: Logger, isWanted: () => boolean, read: () => Promise<T>): Promise<T | undefined> => {
  for (let failures = 0; isWanted(); ) {
    try {
      return await read();
    } catch (error) {
      failures += 1;
      if (!(error instanceof DependencyError)) logger.error({ error }, 'reading for live conversations failed');
      await sleep(fullJitter(failures, BACKOFF), undefined, { ref: false });
    }
  }
  return undefined;
};
