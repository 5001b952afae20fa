import { parleyHome } from './home.js';
import { commandFor } from '../installation.js';
import { refuseForeignHome } from './home-owner.js';
import { readState, type StackState } from './state.js';

/** The Parley that `npm start` runs from this checkout (or from PARLEY_HOME); undefined when there is none. */
export async function runningStack(): Promise<StackState | undefined> {
  const home = parleyHome();
  refuseForeignHome(home, 'look');
  const found = await readState(home);
  return found?.supervisor === undefined ? undefined : found.state;
}

/** What is said where there is no Parley. */
export const NOT_RUNNING = `Parley is not running: ${commandFor('start')}`;

/** The same with where it was looked for: one that was started with another PARLEY_HOME is not found. */
export const notFound = (): string => `${NOT_RUNNING} (PARLEY_HOME is ${parleyHome().folder})`;
