import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** What this machine carries of the load of a run, found out at a rate that is far below it. */
export interface Capacity {
  /** Messages per second that would use all of it; what other processes use is taken off. */
  readonly perSecond: number;
  /** Shares of all cores that were busy before the trial and during it. */
  readonly idleShare: number;
  readonly busyShare: number;
  readonly trialPerSecond: number;
}

const TRIAL_PER_SECOND = 15;
const QUIET_MS = 2_000;
/** Until what has just started is warm; connections are made in this time, too. */
const WARM_UP_MS = 3_000;
const TRIAL_MS = 5_000;
/**
 * Share of the capacity that a run uses. The rest is for what faults cost: clients that come back together, processes that start, and a
 * backlog, which at this share is worked off in the time in which it grew.
 */
export const HEAD_ROOM_SHARE = 0.5;
const [LEAST, MOST] = [5, 100];

/** Measures. `load` is to send nothing before, and is at the trial's rate afterwards. */
export async function measureCapacity(load: { setRate(perSecond: number): void }): Promise<Capacity> {
  const idleShare = await busyShareDuring(QUIET_MS);
  load.setRate(TRIAL_PER_SECOND);
  await sleep(WARM_UP_MS);
  return capacityOf({ idleShare, busyShare: await busyShareDuring(TRIAL_MS), trialPerSecond: TRIAL_PER_SECOND });
}

/** The arithmetic of {@link measureCapacity}. */
export function capacityOf(trial: Omit<Capacity, 'perSecond'>): Capacity {
  const { idleShare, busyShare, trialPerSecond } = trial;
  const ofTrial = Math.max(0.001, busyShare - idleShare);
  return { ...trial, perSecond: Math.round((trialPerSecond * Math.max(0, 1 - idleShare)) / ofTrial) };
}

/** The rate of a run: half of the capacity, at most 100 messages/s. */
export const rateFor = ({ perSecond }: Capacity): number => Math.max(LEAST, Math.min(MOST, Math.floor(perSecond * HEAD_ROOM_SHARE)));

async function busyShareDuring(ms: number): Promise<number> {
  const before = cpuTimes();
  await sleep(ms);
  const after = cpuTimes();
  return (after.busy - before.busy) / Math.max(1, after.all - before.all);
}

function cpuTimes(): { busy: number; all: number } {
  const times = cpus().map((core) => core.times);
  const all = times.reduce((sum, { user, nice, sys, idle, irq }) => sum + user + nice + sys + idle + irq, 0);
  return { busy: all - times.reduce((sum, { idle }) => sum + idle, 0), all };
}
