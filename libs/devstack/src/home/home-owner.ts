import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { Explained } from '../terminal/explain.js';
import type { Home } from './home.js';

/** What a command does with the home: only `start` makes files that would then belong to the caller. */
export type Access = 'start' | 'look';

/** Who calls, and whose the home is; as numbers of users. */
interface Parties {
  readonly caller: number;
  readonly owner: number;
}

/**
 * Refuses a home that another user made: its servers, data and secrets are that user's. Root may look at and stop what belongs to others,
 * but not start there, which would lock them out. @throws Explained, which names the owner and the ways out.
 */
export function refuseForeignHome(home: Home, access: Access, caller = process.getuid?.()): void {
  const owner = ownerOf(home.folder);
  if (owner === undefined || caller === undefined || !isRefused({ caller, owner }, access)) return;
  throw new Explained(
    [
      `${home.folder} belongs to ${userName(owner)}, who started Parley here before; you are ${userName(caller)}. Ways out:`,
      `  - as ${userName(owner)}: ${owner === 0 ? `sudo npm ${access === 'start' ? 'start' : 'run status'}` : `log in as ${userName(owner)} and run the same command`}`,
      '  - beside it, with data of its own: PARLEY_HOME=.parley-mine PARLEY_PORT_BASE=9080 npm start',
      `  - start anew, its data is lost: ${owner === 0 ? 'sudo ' : ''}npm run parley -- reset, as ${userName(owner)}`,
    ].join('\n'),
  );
}

/** Exported for its test. */
export function isRefused({ caller, owner }: Parties, access: Access): boolean {
  return caller !== owner && !(caller === 0 && access === 'look');
}

function ownerOf(folder: string): number | undefined {
  try {
    return statSync(folder).uid;
  } catch {
    return undefined; // not there yet
  }
}

/** The name of a user as the system has it, else its number. */
export function userName(uid: number): string {
  try {
    return execFileSync('id', ['-nu', String(uid)], { encoding: 'utf8', timeout: 2_000, stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return `user ${uid}`;
  }
}
