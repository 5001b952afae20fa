/** How long to wait after failures: `baseMs` after the first, twice as long after each further one, never longer than `capMs`. */
export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/** The wait after that many failures in a row, in milliseconds: min(capMs, baseMs * 2^(failures - 1)). */
export const exponential = (failures: number, { baseMs, capMs }: Backoff): number =>
  Math.min(capMs, baseMs * 2 ** Math.max(0, failures - 1));

/** Anything between 0 and {@link exponential}, equally likely: clients that lost the same thing at once do not all come back at once. */
export const fullJitter = (failures: number, backoff: Backoff, random = Math.random): number => random() * exponential(failures, backoff);
