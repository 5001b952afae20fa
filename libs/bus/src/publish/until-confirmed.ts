import { fullJitter } from '#lib/runtime/work/backoff';
import type { PublishOutcome } from './publisher.port.js';

const BACKOFF = { baseMs: 200, capMs: 10_000 };

/**
 * Publishes again and again until the broker has it: its caller holds a delivery that must not be settled before. The same event id
 * every time, so a copy too many is recognised. Waits between tries with full jitter up to 10 s.
 * @returns false when `signal` fired first; then it may or may not be there.
 */
export const untilConfirmed = async (
  publish: () => Promise<PublishOutcome>,
  signal: AbortSignal,
  onFailure: (outcome: PublishOutcome, failures: number) => void = () => undefined,
): Promise<boolean> => {
  for (let failures = 1; !signal.aborted; failures += 1) {
    const outcome = await publish();
    if (outcome.kind === 'confirmed') return true;
    onFailure(outcome, failures);
    await pause(BACKOFF.baseMs / 10 + fullJitter(failures, BACKOFF), signal);
  }
  return false;
};

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
