import type { Home } from '../home/home.js';
import { findLeftovers } from '../home/leftovers.js';
import { isRunning, type ProcessIdentity } from '../process/process-identity.js';

/** The number of a process that was written down and still runs. */
export function livePid(process: ProcessIdentity | undefined): number | undefined {
  return process !== undefined && isRunning(process) ? process.pid : undefined;
}

/** The one that `npm run dev` runs just now. */
export async function watchedProcess(home: Home, name: string): Promise<ProcessIdentity | undefined> {
  const leftovers = await findLeftovers(home);
  return leftovers.find((each) => each.kind === 'service' && each.name === name)?.process;
}
