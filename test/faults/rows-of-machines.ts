import { answered, crawling, health, whole, withoutMeaning, withoutPostgres, withoutRabbitmq, worked } from './cells.js';
import { type Fault, type Outage, RECOVERS_WITHIN_MS } from './outage.js';
import type { ServerWithDisk } from './small-disks.js';

/** A server that ended has to be started again and to recover first. */
const STARTS_MS = 20_000;

const fullDisk = (server: ServerWithDisk) =>
  ({ subject: 'full disks', mode: server, faults: [{ disk: server }], recoversWithinMs: RECOVERS_WITHIN_MS[server] + STARTS_MS }) as const;

const clocks = (seconds: number) =>
  ({
    subject: 'clocks',
    mode: `${Math.abs(seconds) / 60} min ${seconds > 0 ? 'fast' : 'slow'}`,
    faults: [{ clockSeconds: seconds }] satisfies readonly Fault[],
    means: `the clocks of all our processes jump by ${seconds > 0 ? '+' : '-'}${Math.abs(seconds) / 60} min and back; those of servers and clients do not`,
    holdMs: 8_000,
    opensWithinMs: 0,
    recoversWithinMs: 12_000,
    // A message has the time of the process that took it: with slow clocks every one of them looks old.
    cells: { ...whole, consume: worked('waits or crawls'), deliver: worked('waits or crawls') },
    opensNoBreaker: true,
    isInCut: false,
  }) as const;

/** What the machine that something runs on does to it. */
export const rowsOfMachines: readonly Outage[] = [
  {
    ...fullDisk('postgres'),
    means: 'no byte is free where its data are, and its log needs a new file: it ends, and starts again when there is room',
    holdMs: 8_000,
    opensWithinMs: 4_000,
    cells: withoutPostgres({ send: 5_500, read: 6_000, search: 10_000, end: 8_000 }),
    isInCut: false,
  },
  {
    ...fullDisk('rabbitmq'),
    means: 'no byte is free where its data are: it raises its disk alarm, or ends',
    holdMs: 14_000,
    opensWithinMs: 0,
    cells: { ...withoutRabbitmq, ...crawling, relay: worked('waits or crawls'), health: answered(200, 2_500, 2_500) },
    isInCut: false,
  },
  {
    ...fullDisk('chroma'),
    means: 'no byte is free where its data are: it answers questions and stores nothing until it is started again',
    holdMs: 8_000,
    opensWithinMs: 3_000,
    cells: { ...withoutMeaning(3_000), search: answered(200, 3_000, 500), consume: worked('waits'), health: health(200, 'degraded') },
    isInCut: false,
  },
  clocks(300),
  clocks(-300),
];
