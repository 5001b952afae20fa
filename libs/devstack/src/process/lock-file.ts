import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { identify, isRunning, type ProcessIdentity } from './process-identity.js';

/** The process that holds this lock file, or undefined: none does, or its holder no longer runs. */
export async function lockHolder(file: string): Promise<ProcessIdentity | undefined> {
  try {
    const holder = JSON.parse(await readFile(file, 'utf8')) as ProcessIdentity;
    return isRunning(holder) ? holder : undefined;
  } catch {
    return undefined;
  }
}

/** Takes the lock for this process unless a living one holds it. Returns whether we have it now. */
export async function takeLock(file: string): Promise<boolean> {
  // Twice: the first try may only find out that the holder is gone.
  return (await tryTake(file)) || (await tryTake(file));
}

/** Releases the lock. */
export async function dropLock(file: string): Promise<void> {
  await rm(file, { force: true });
}

async function tryTake(file: string): Promise<boolean> {
  const own = `${file}.${randomUUID()}`;
  try {
    // Written beside it and then linked, so that a lock is never there without its holder's name in it.
    await writeFile(own, JSON.stringify(identify(process.pid)), { mode: 0o644 });
    await link(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if ((await lockHolder(file)) === undefined) await setAside(file);
    return false;
  } finally {
    await rm(own, { force: true });
  }
}

/** Removes the lock of a holder that is gone, unless another process has done that and taken it meanwhile: then it is given back. */
async function setAside(file: string): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
    if ((await lockHolder(aside)) !== undefined) await link(aside, file);
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await rm(aside, { force: true });
  }
}
