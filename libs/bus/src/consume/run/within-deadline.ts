import { withDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import type { ParleyEvent } from '#lib/contracts/events';
import type { Layer } from './layer.js';

// Long enough for an aborted call to reject, short enough not to matter.
const LAST_WORDS_MS = 250;

/**
 * Ends a run after `deadlineMs`, whatever it waits for, and gives it a moment to say what that was: a run that was waiting for a dependency
 * that is out has met an outage, a run that is simply too slow has failed.
 */
export const withinDeadline =
  (deadlineMs: number): Layer =>
  (next) =>
  async (items) => {
    let running: Promise<readonly ParleyEvent[]> | undefined;
    try {
      return await withDeadline(deadlineMs, () => (running = next(items)));
    } catch (error) {
      if (!(error instanceof DeadlineExceeded) || running === undefined) throw error;
      return lastWords(running, error);
    }
  };

const lastWords = async <T>(running: Promise<T>, expired: DeadlineExceeded): Promise<T> => {
  const { promise: silence, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(expired), LAST_WORDS_MS);
  try {
    return await Promise.race([running, silence]);
  } catch (error) {
    throw error instanceof DependencyError ? error : expired;
  } finally {
    clearTimeout(timer);
  }
};
