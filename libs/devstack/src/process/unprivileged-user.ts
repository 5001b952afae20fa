import { createHash } from 'node:crypto';
import { type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommand } from './commands.js';

/** A user of the system. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The user that Postgres runs as: itself refuses to be root. Undefined when we are not root, or where there is no such thing, so that it runs as
 * ourselves.
 */
export async function unprivilegedUser(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = await Promise.all(['-u', '-g'].map((what) => runCommand('id', [what, name], { timeoutMs: 5_000 })));
    if (uid?.code === 0 && gid?.code === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new Error('Postgres refuses to run as root and this machine has neither a user postgres nor nobody; run npm as another user');
}

/**
 * Where the user that Postgres runs as can have its data: the wanted folder or, when that user may not pass through a folder above it
 * (a checkout in /root, say), one under /var/lib that is always the same for the same wish. Only root needs that, and may write there.
 */
export function reachableFolder(wanted: string, as: Account | undefined): string {
  if (as === undefined || mayEnter(wanted, as)) return wanted;
  return join('/var/lib/parley', createHash('sha256').update(wanted).digest('hex').slice(0, 12));
}

/** Whether this user may pass through each folder above this one that exists, by their permissions, and enter it. */
export function mayEnter(folder: string, as: Account | undefined): boolean {
  if (as === undefined) return true;
  const facts = statSync(folder, { throwIfNoEntry: false });
  const parent = dirname(folder);
  return (facts === undefined || maySearch(facts, as)) && (parent === folder || mayEnter(parent, as));
}

function maySearch({ uid, gid, mode }: Stats, as: Account): boolean {
  if (uid === as.uid) return (mode & 0o100) !== 0;
  return (mode & (gid === as.gid ? 0o010 : 0o001)) !== 0;
}
