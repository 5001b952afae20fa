import type { ParleyEvent } from '#lib/contracts/events';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import { withTimeLimit } from '#lib/runtime/work/within';
import type { Layer } from './layer.js';

// Long enough for an aborted call to reject, short beside any deadline.
const GRACE_MS = 250;

/**
 * Ends a run after `deadlineMs`, then grants a short grace to learn what it waited for: a run that waits for a failed dependency met an
 * outage, a run that is merely slow has failed.
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
      return withinGrace(running, error);
    }
  };

const withinGrace = async <T>(running: Promise<T>, expired: DeadlineExceeded): Promise<T> => {
  const graceOver = () => {
    throw expired;
  };
  try {
    return await withTimeLimit(GRACE_MS, running, graceOver);
  } catch (error) {
    throw error instanceof DependencyError ? error : expired;
  }
};
