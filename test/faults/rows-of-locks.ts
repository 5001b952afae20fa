import {
  accepted,
  answered,
  away,
  health,
  suggested,
  whole,
  withoutPostgres,
  withoutRedis,
  worked,
  withoutRabbitmq,
  crawling,
} from './cells.js';
import type { Outage } from './outage.js';

/** Servers that are there and do not do a part of their work. */
export const rowsOfLocks: readonly Outage[] = [
  {
    ...away('postgres', 'no connections'),
    means: 'all connections are ended, and to new ones it says that there are too many',
    holdMs: 5_000,
    opensWithinMs: 2_000,
    cells: withoutPostgres({ send: 1_000, read: 1_000, search: 1_000, end: 1_000 }),
    isInCut: false,
  },
  {
    ...away('postgres', 'locked row'),
    means: 'a session holds the row of one conversation (`SELECT FOR UPDATE`)',
    holdMs: 14_000,
    opensWithinMs: 2_500,
    cells: { ...whole, 'send there': answered(503, 5_500, 5_500) }, // each waits for the row by itself
    sendersThere: 4,
    opensNoBreaker: true,
    isInCut: true,
  },
  {
    ...away('postgres', 'locked row'),
    mode: 'pool exhausted',
    means: 'the same, with 100 senders to that conversation at once: every connection for sends waits for the row',
    holdMs: 14_000,
    opensWithinMs: 2_500,
    cells: { ...whole, 'send there': answered(503, 5_500, 5_500) },
    sendersThere: 100,
    opensNoBreaker: true,
    isInCut: false,
  },
  {
    ...away('postgres', 'locked table'),
    means: 'a session holds the table `messages`: a migration without the `lock_timeout` that it should have',
    holdMs: 10_000,
    opensWithinMs: 7_000,
    cells: {
      ...withoutPostgres({ send: 5_500, read: 6_000, search: 10_000, end: 8_000 }),
      suggest: suggested,
      health: health(200, 'degraded'),
      end: accepted,
    },
    isInCut: false,
  },
  {
    ...away('rabbitmq', 'disk alarm'),
    means: 'less free disk than RabbitMQ wants: it reads no more from connections that publish',
    holdMs: 6_000,
    opensWithinMs: 0,
    cells: { ...withoutRabbitmq, ...crawling },
    isInCut: false,
  },
  {
    ...away('redis', 'out of memory'),
    means: 'OOM: its memory is full, and nothing new is stored',
    holdMs: 5_000,
    opensWithinMs: 0,
    cells: { ...withoutRedis, deliver: worked('goes on'), push: worked('goes on') },
    isInCut: false,
  },
  {
    ...away('redis', 'paused'),
    means: '`CLIENT PAUSE`: it takes commands and answers none',
    holdMs: 9_500, // health waits 2 s for it: time for two answers
    opensWithinMs: 2_000,
    cells: withoutRedis,
    isInCut: true,
  },
];
