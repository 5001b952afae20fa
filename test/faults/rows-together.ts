import { faultyDependencies } from '#lib/testing/faulty-world';
import { awayTogether, BLACK_HOLE, lexicalSearch, REFUSED, withoutPostgres, withoutRabbitmq, withoutRedis, worked } from './cells.js';
import type { Outage } from './outage.js';

/** All that an operation calls. */
const EVERYTHING = faultyDependencies.filter((name) => name !== 'collector' && name !== 'webhook');
/** Connections are refused at once, a black hole is waited for. */
const QUICK = { send: 1_000, read: 1_000, search: 1_000, end: 1_000 } as const;
const WAITING = { send: 5_500, read: 6_000, search: 10_000, end: 8_000 } as const;
const means = (how: string) => `${how}; back one after another, the first named first`;

/** What is seen without several is the worst of what is seen without each. */
export const rowsTogether: readonly Outage[] = [
  {
    ...awayTogether(['postgres', 'rabbitmq'], 'refused'),
    means: means(REFUSED),
    holdMs: 6_000,
    opensWithinMs: 2_000,
    cells: withoutPostgres(QUICK),
    isInCut: true,
  },
  {
    ...awayTogether(['rabbitmq', 'postgres'], 'black hole'),
    means: means(BLACK_HOLE),
    holdMs: 10_000,
    opensWithinMs: 7_000,
    cells: withoutPostgres(WAITING),
    isInCut: false,
  },
  {
    ...awayTogether(['redis', 'rabbitmq'], 'refused'),
    means: means(REFUSED),
    holdMs: 6_000,
    opensWithinMs: 0,
    cells: withoutRabbitmq,
    isInCut: false,
  },
  {
    ...awayTogether(['rabbitmq', 'redis'], 'black hole'),
    means: means(BLACK_HOLE),
    holdMs: 10_000,
    opensWithinMs: 2_000,
    cells: withoutRabbitmq,
    isInCut: false,
  },
  {
    ...awayTogether(['chroma', 'redis'], 'refused'),
    means: means(REFUSED),
    holdMs: 6_000,
    opensWithinMs: 1_000,
    cells: { ...withoutRedis, search: lexicalSearch(1_000), consume: worked('waits') },
    isInCut: false,
  },
  {
    ...awayTogether(['redis', 'chroma'], 'black hole'),
    means: means(BLACK_HOLE),
    holdMs: 9_000,
    opensWithinMs: 5_000,
    cells: { ...withoutRedis, search: lexicalSearch(3_000), consume: worked('waits') },
    isInCut: false,
  },
  {
    ...awayTogether(['postgres', 'rabbitmq', 'redis'], 'refused'),
    means: means(REFUSED),
    holdMs: 6_000,
    opensWithinMs: 2_000,
    cells: withoutPostgres(QUICK),
    isInCut: false,
  },
  {
    ...awayTogether(EVERYTHING, 'refused'),
    mode: 'everything',
    means: means(REFUSED),
    holdMs: 6_000,
    opensWithinMs: 2_000,
    cells: withoutPostgres(QUICK),
    isInCut: false,
  },
  {
    ...awayTogether(EVERYTHING.toReversed(), 'refused'),
    mode: 'everything, the other way round',
    means: means(REFUSED),
    holdMs: 6_000,
    opensWithinMs: 2_000,
    cells: withoutPostgres(QUICK),
    isInCut: false,
  },
  {
    ...awayTogether(EVERYTHING, 'black hole'),
    mode: 'everything silent',
    means: means(BLACK_HOLE),
    holdMs: 12_000,
    opensWithinMs: 9_000,
    cells: withoutPostgres(WAITING),
    isInCut: false,
  },
];
