import { open, readFile, rm, stat } from 'node:fs/promises';
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
  try {
    await using handle = await open(file, 'wx', 0o644);
    await handle.writeFile(JSON.stringify(identify(process.pid)));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if ((await lockHolder(file)) === undefined && !(await isBeingWritten(file))) await rm(file, { force: true });
    return false;
  }
}

/** Between making the file and writing the holder into it there are milliseconds; after seconds its writer has died. */
async function isBeingWritten(file: string): Promise<boolean> {
  const facts = await stat(file).catch(() => undefined);
  return facts !== undefined && facts.size === 0 && Date.now() - facts.mtimeMs < 5_000;
}
