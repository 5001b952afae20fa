import type { OutageMode } from '#lib/testing/faulty-world';
import { away, BLACK_HOLE, REFUSED, slow, whole, withoutPushes, withoutRabbitmq } from './cells.js';
import type { Outage } from './outage.js';

const ERRORS = 'every request is answered 500';

/** Alerts that are due, because RabbitMQ is away as well, and a webhook that does not take them: as without RabbitMQ alone. */
const webhook = (mode: OutageMode, means: string, holdMs: number): Outage => ({
  ...away('webhook', mode),
  faults: [
    { dependency: 'webhook', mode },
    { dependency: 'rabbitmq', mode: 'refused' },
  ],
  means: `${means}; and RabbitMQ refuses connections, so that there is something to alert`,
  holdMs,
  opensWithinMs: 0,
  cells: withoutRabbitmq,
  isInCut: false,
});

/** What Parley does without when it is away: the memory API, the collector of spans, the webhook of alerts, and the providers of pushes. */
export const rowsOfHelpers: readonly Outage[] = [
  {
    ...away('memory', 'refused'),
    means: REFUSED,
    // Longer than the ten seconds for which a breaker of Redis stays open: on a busy machine its calls, of 50 ms, may open one.
    holdMs: 16_000,
    opensWithinMs: 3_000,
    cells: whole,
    isInCut: true,
  },
  {
    ...away('memory', 'slow'),
    means: slow('memory', 'the limit of a call'),
    holdMs: 40_000,
    opensWithinMs: 30_000,
    cells: whole,
    isInCut: false,
  },
  {
    ...away('memory', 'black hole'),
    means: BLACK_HOLE,
    holdMs: 40_000,
    opensWithinMs: 30_000,
    cells: whole,
    isInCut: false,
  },
  {
    ...away('memory', 'erroring'),
    means: ERRORS,
    holdMs: 6_000,
    opensWithinMs: 3_000,
    cells: whole,
    isInCut: false,
  },
  {
    ...away('collector', 'refused'),
    means: REFUSED,
    holdMs: 8_000,
    opensWithinMs: 0,
    cells: whole,
    isInCut: false,
  },
  {
    ...away('collector', 'slow'),
    means: slow('collector', 'the limit of an export'),
    holdMs: 20_000,
    opensWithinMs: 0,
    cells: whole,
    isInCut: false,
  },
  {
    ...away('collector', 'black hole'),
    means: BLACK_HOLE,
    holdMs: 20_000,
    opensWithinMs: 0,
    cells: whole,
    isInCut: false,
  },
  {
    ...away('collector', 'erroring'),
    means: ERRORS,
    holdMs: 8_000,
    opensWithinMs: 0,
    cells: whole,
    isInCut: false,
  },
  webhook('refused', REFUSED, 12_000),
  webhook('slow', slow('webhook', 'the limit of a post'), 25_000),
  webhook('black hole', BLACK_HOLE, 25_000),
  webhook('erroring', ERRORS, 12_000),
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
