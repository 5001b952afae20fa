import type { ServiceName } from '#lib/devstack/services';
import { answered, health, whole, worked } from './cells.js';
import type { Outage } from './outage.js';
import { BLOCKED_MS, type ProcessFault } from './process-faults.js';

const PROCESSES = 'our own processes';
const EVERY: readonly ServiceName[] = ['gateway', 'realtime', 'embedding', 'delivery', 'scoring', 'ops'];
/** A process of ours has to be whole again by itself. */
const RECOVERS_MS = 12_000;

const row = (mode: string, services: readonly ServiceName[], fault: ProcessFault) =>
  ({
    subject: PROCESSES,
    mode,
    faults: [{ services, mode: fault }],
    recoversWithinMs: RECOVERS_MS,
    opensNoBreaker: true,
    opensWithinMs: 0,
  }) as const;

const BLOCKED = `their event loop stands still for ${BLOCKED_MS / 1_000} s, again and again (SIGSTOP, SIGCONT)`;
/** What came while the loop stood still is answered then. */
const lateMs = BLOCKED_MS + 1_500;
const late = (status: 200 | 202) => answered(status, lateMs, lateMs);
/** What waited for Postgres on the way may have used up its time. */
const lateOrRefused = (status: 200 | 202) => answered(status, lateMs, lateMs, { or: 503 });
const lateWork = {
  consume: worked('waits or crawls'),
  deliver: worked('waits or crawls'),
  relay: worked('waits or crawls'),
  score: worked('waits or crawls'),
  store: worked('waits or crawls'),
  push: worked('waits or crawls'),
} as const;
const answersLate = {
  ...whole,
  live: late(200),
  send: lateOrRefused(202),
  read: lateOrRefused(200),
  search: lateOrRefused(200),
  suggest: lateOrRefused(200),
  health: { ...health(200, 'ok'), firstMs: lateMs, thenMs: lateMs },
  end: lateOrRefused(202),
} as const;

/** Connections that come are closed, those that there are go on. */
const closed = (status: 200 | 202, thenMs = 200) => answered(status, 1_000, thenMs, { or: 0 });
const answersWhatIsConnected = {
  ...whole,
  live: closed(200),
  send: closed(202),
  read: closed(200),
  search: closed(200, 500),
  suggest: closed(200),
  health: { ...health(200, 'ok'), or: 0 },
  end: closed(202),
} as const;

/** Processes of ours that have trouble of their own, while everything that they need is there: no breaker may take it for an outage. */
export const rowsOfProcesses: readonly Outage[] = [
  {
    ...row('gateway stands still', ['gateway'], 'blocked loop'),
    means: BLOCKED,
    holdMs: 9_000,
    cells: { ...answersLate, relay: worked('waits or crawls') },
    isInCut: true,
  },
  {
    ...row('all stand still', EVERY, 'blocked loop'),
    means: `${BLOCKED}, all at the same time`,
    holdMs: 13_000,
    cells: { ...answersLate, ...lateWork },
    isInCut: false,
  },
  {
    ...row('gateway without descriptors', ['gateway'], 'no descriptors'),
    means: 'three files or connections more and it has as many as it may (`prlimit --nofile`), and 40 connections come',
    holdMs: 6_000,
    cells: answersWhatIsConnected,
    isInCut: false,
  },
  {
    ...row('workers without descriptors', ['embedding', 'delivery', 'scoring'], 'no descriptors'),
    means: 'the same for embedding, delivery and scoring',
    holdMs: 6_000,
    cells: { ...whole, live: closed(200) },
    isInCut: false,
  },
];
