import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Home } from '../home/home.js';
import { secretsOf } from '../home/secrets.js';
import { type Control, readState, removeState } from '../home/state.js';
import { Explained, reasonOf } from '../terminal/explain.js';
import { orderStop } from './control-server.js';
import { postgresPlace, urlWith } from './embedded-parley.js';
import { HomeLock } from './home-lock.js';
import { endOrphan } from './orphan.js';
import { readPostmasterFile } from './postmaster-file.js';

/** A drain of 60 s, two shutdowns of Postgres, and some. */
const STOPPED_WITHIN_MS = 120_000;
const TAKEN_WITHIN_MS = 10_000;
const TELL_EVERY_MS = 5_000;

/** What there was to stop: a running Parley, or only the Postgres of one that was killed. */
export type StoppedEmbedded = 'nothing' | 'parley' | 'orphan';

/** Stops the embedded Parley of this home, and a Postgres that was left behind. @throws Explained when it does not end within 2 minutes. */
export async function stopEmbedded(home: Home, tell: (line: string) => void): Promise<StoppedEmbedded> {
  const wasRunning = HomeLock.isClaimed(home.embeddedLock);
  if (wasRunning) await stopRunning(home, tell);
  // Also where one ran: it may have been killed in the middle of its stop.
  const wasLeftBehind = await clearUp(home);
  if (wasRunning) return 'parley';
  return wasLeftBehind ? 'orphan' : 'nothing';
}

async function stopRunning(home: Home, tell: (line: string) => void): Promise<void> {
  const startedAt = performance.now();
  await order(home, startedAt);
  for (let told = startedAt; HomeLock.isClaimed(home.embeddedLock); await sleep(50)) {
    if (performance.now() - startedAt > STOPPED_WITHIN_MS) throw new Explained(`Parley is still stopping; see ${home.logs}`);
    if (performance.now() - told < TELL_EVERY_MS) continue;
    told = performance.now();
    tell(`stopping ... ${Math.round((told - startedAt) / 1_000)} s`);
  }
}

/**
 * One that has just begun to start has not written down yet where it takes orders: what is there is missing, or of a run that was killed. One that is
 * about to end takes none any more.
 */
async function order(home: Home, startedAt: number): Promise<void> {
  while (HomeLock.isClaimed(home.embeddedLock)) {
    const found = await readState(home);
    const refusal = found?.state.embedded === undefined ? 'it has just begun to start' : await refusalOf(found.state.embedded);
    if (refusal === undefined) return;
    if (performance.now() - startedAt > TAKEN_WITHIN_MS) {
      const pid = found?.state.supervisor?.pid;
      throw new Explained(
        `Parley${pid === undefined ? '' : ` (pid ${pid})`} does not take the order to stop: ${refusal}. Try again, or end that process; see ${home.logs}`,
      );
    }
    await sleep(100);
  }
}

/** Why it does not take the order to stop; undefined: it takes it. */
function refusalOf(control: Control): Promise<string | undefined> {
  return orderStop(control).then(() => undefined, reasonOf);
}

/**
 * What was left behind by one that was killed, the record too. A home without an embedded Postgres is left as it is.
 * @returns whether there was a Postgres.
 */
async function clearUp(home: Home): Promise<boolean> {
  if (!existsSync(home.secretsFile) || !existsSync(home.embeddedLock)) return false;
  const place = await postgresPlace(home).catch(() => undefined);
  const mayRun = place !== undefined && readPostmasterFile(place.folder) !== undefined;
  const isRecorded = (await readState(home))?.state.embedded !== undefined;
  if (!mayRun && !isRecorded) return false;
  const lock = HomeLock.claim(home.embeddedLock);
  if (lock === undefined) return false; // another start has begun, and does this itself
  try {
    const was = mayRun && (await endOrphan({ ...place, url: urlWith(await secretsOf(home), 0) }));
    if (isRecorded) await removeState(home);
    return was;
  } finally {
    lock.release();
  }
}
