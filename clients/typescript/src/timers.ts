/** The longest time that timers take, in milliseconds: 24.8 days. A longer one, `Infinity` too, would be over at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A pause that the server asks for, and up to half of it more: clients that were refused together do not come back together. */
export const spread = (pauseMs: number): number => pauseMs * (1 + Math.random() / 2);
