import { closeCodes } from './frames.js';

/** Bounds of the pause before a new connection, in milliseconds. */
export interface BackoffBounds {
  /** Most that is waited after the first loss; it doubles with each further one. */
  readonly minMs: number;
  readonly maxMs: number;
}

/** Least pause after closings that the same connection would meet again: a full quota, a frame or an origin that is refused. */
const quietMs: Readonly<Record<number, number>> = {
  [closeCodes.rateLimited]: 10_000,
  [closeCodes.badFrame]: 30_000,
  [closeCodes.forbiddenOrigin]: 30_000,
};

/** Whether the server asks for a pause after a closing with this code. */
export const isQuiet = (code: number): boolean => quietMs[code] !== undefined;

/**
 * Milliseconds until the next try: anything from 0 to a bound that doubles (full jitter), so that clients that lost a server together
 * do not return together. `attempt` counts from 0.
 */
export function pauseBefore(attempt: number, code: number | undefined, { minMs, maxMs }: BackoffBounds, random = Math.random): number {
  const quiet = code === undefined ? undefined : quietMs[code];
  if (quiet !== undefined) return quiet * (1 + random());
  return random() * Math.min(maxMs, minMs * 2 ** Math.min(attempt, 30));
}
