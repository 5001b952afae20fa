import { away, BLACK_HOLE, REFUSED, slow, withoutMemory, withoutPushes } from './cells.js';
import type { Outage } from './outage.js';

const ERRORS = 'every request is answered 500';

/** What Parley does without when it is away: the memory API, and the providers of pushes. */
export const rowsOfHelpers: readonly Outage[] = [
  {
    ...away('memory', 'refused'),
    means: REFUSED,
    holdMs: 6_000,
    opensWithinMs: 3_000,
    cells: withoutMemory,
    isInCut: true,
  },
  {
    ...away('memory', 'slow'),
    means: slow('memory', 'the limit of a call'),
    holdMs: 40_000,
    opensWithinMs: 30_000,
    cells: withoutMemory,
    isInCut: false,
  },
  {
    ...away('memory', 'black hole'),
    means: BLACK_HOLE,
    holdMs: 40_000,
    opensWithinMs: 30_000,
    cells: withoutMemory,
    isInCut: false,
  },
  {
    ...away('memory', 'erroring'),
    means: ERRORS,
    holdMs: 6_000,
    opensWithinMs: 3_000,
    cells: withoutMemory,
    isInCut: false,
  },
  {
    ...away('fcm', 'refused'),
    means: REFUSED,
    holdMs: 8_000,
    opensWithinMs: 5_000,
    cells: withoutPushes,
    isInCut: false,
  },
  {
    ...away('fcm', 'slow'),
    means: slow('fcm', 'the limit of a call'),
    holdMs: 15_000,
    opensWithinMs: 10_000,
    cells: withoutPushes,
    isInCut: false,
  },
  {
    ...away('fcm', 'black hole'),
    means: BLACK_HOLE,
    holdMs: 15_000,
    opensWithinMs: 10_000,
    cells: withoutPushes,
    isInCut: false,
  },
  {
    ...away('fcm', 'erroring'),
    means: ERRORS,
    holdMs: 8_000,
    opensWithinMs: 5_000,
    cells: withoutPushes,
    isInCut: false,
  },
];
