import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Home } from '../home/home.js';
import { secretsOf } from '../home/secrets.js';
import { readState, removeState } from '../home/state.js';
import { Explained, reasonOf } from '../terminal/explain.js';
import { orderStop } from './control-server.js';
import { postgresPlace, urlWith } from './embedded-parley.js';
import { HomeLock } from './home-lock.js';
import { endOrphan } from './orphan.js';
import { readPostmasterFile } from './postmaster-file.js';

/** A drain of 60 s, two shutdowns of Postgres, and some. */
const STOPPED_WITHIN_MS = 120_000;
const RECORDED_WITHIN_MS = 10_000;
const TELL_EVERY_MS = 5_000;

/** What there was to stop: a running Parley, or only the Postgres of one that was killed. */
export type StoppedEmbedded = 'nothing' | 'parley' | 'orphan';

/** Stops the embedded Parley of this home, and a Postgres that was left behind. @throws Explained when it does not end within 2 minutes. */
export async function stopEmbedded(home: Home, tell: (line: string) => void): Promise<StoppedEmbedded> {
  if (!HomeLock.isClaimed(home.embeddedLock)) return (await stopOrphan(home)) ? 'orphan' : 'nothing';
  const startedAt = performance.now();
  await order(home, startedAt);
  for (let told = startedAt; HomeLock.isClaimed(home.embeddedLock); await sleep(50)) {
    if (performance.now() - startedAt > STOPPED_WITHIN_MS) throw new Explained(`Parley is still stopping; see ${home.logs}`);
    if (performance.now() - told < TELL_EVERY_MS) continue;
    told = performance.now();
    tell(`stopping ... ${Math.round((told - startedAt) / 1_000)} s`);
  }
  return 'parley';
}

/** One that has just begun to start has not written down yet where it takes orders. */
async function order(home: Home, startedAt: number): Promise<void> {
  for (;;) {
    const found = await readState(home);
    if (found?.state.embedded !== undefined) {
      return orderStop(found.state.embedded).catch((error: unknown) => {
        if (!HomeLock.isClaimed(home.embeddedLock)) return;
        throw new Explained(
          `Parley (pid ${found.state.supervisor?.pid}) does not take the order to stop: ${reasonOf(error)}. End that process`,
        );
      });
    }
    if (!HomeLock.isClaimed(home.embeddedLock)) return;
    if (performance.now() - startedAt > RECORDED_WITHIN_MS) throw new Explained(`Parley is starting: try again; see ${home.logs}`);
    await sleep(100);
  }
}

/** Only where there is something to look at: a home without an embedded Postgres is left as it is. */
async function stopOrphan(home: Home): Promise<boolean> {
  if (!existsSync(home.secretsFile) || !existsSync(home.embeddedLock)) return false;
  const place = await postgresPlace(home).catch(() => undefined);
  if (place === undefined || readPostmasterFile(place.folder) === undefined) return false;
  const lock = HomeLock.claim(home.embeddedLock);
  if (lock === undefined) return false; // another start has begun, and does this itself
  try {
    const was = await endOrphan({ ...place, url: urlWith(await secretsOf(home), 0) });
    await removeState(home);
    return was;
  } finally {
    lock.release();
  }
}
