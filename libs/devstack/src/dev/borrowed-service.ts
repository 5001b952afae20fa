import { setTimeout as sleep } from 'node:timers/promises';
import type { Home } from '../home/home.js';
import { NOT_RUNNING } from '../home/running-stack.js';
import { type Loan, readState, type RecordedService } from '../home/state.js';
import { dropLock, lockHolder, takeLock } from '../process/lock-file.js';
import { isReady } from '../supervisor/is-ready.js';
import { loanFile } from '../supervisor/lending.js';
import { Explained } from '../terminal/explain.js';

const LOOK_EVERY_MS = 100;
/** The longest drain of a service, 60 s, and some. */
const LENT_WITHIN_MS = 70_000;
const BACK_WITHIN_MS = 60_000;
/** What a shell reports of a command that Ctrl-C ended. */
const EXIT_INTERRUPTED = 130;

/** A service that `npm start` runs no longer, because this process does. */
export interface BorrowedService {
  readonly name: string;
  readonly url: string;
  /** What the supervised process was given: settings under its own logins, and PORT. Secret. */
  readonly environment: Readonly<Record<string, string>>;
  /** Resolves when the stack is stopping or gone, and with it what the service stands on. */
  readonly recalled: Promise<void>;
  /** Has `npm start` run it again. Returns whether it was ready within a minute; at once when there is no stack any more. */
  giveBack(): Promise<boolean>;
}

/**
 * Asks the running `npm start` of this home for one of its services. Resolves when the supervised process has drained and left its port.
 * @throws Explained, with what to do, when nothing runs here, there is no such service, or another `npm run dev` has it.
 */
export async function borrowService(
  home: Home,
  name: string,
  { tell, cancelled }: { readonly tell: (line: string) => void; readonly cancelled: AbortSignal },
): Promise<BorrowedService> {
  const services = await runningServices(home, name);
  if (!services.some((each) => each.name === name)) {
    throw new Explained(`there is no service ${name}; there are: ${services.map((each) => each.name).join(', ')}`, 2);
  }
  const file = loanFile(home, name);
  if (!(await takeLock(file))) {
    throw new Explained(`another npm run dev (pid ${(await lockHolder(file))?.pid ?? 'unknown'}) has ${name}: end that one first`);
  }
  tell(`asking npm start for ${name}, which first finishes what it has in hand`);
  try {
    const { url, lent } = await untilLent(home, name, cancelled);
    return { name, url, environment: lent.environment, recalled: untilRecalled(home, name), giveBack: () => giveBack(home, name) };
  } catch (error) {
    await dropLock(file);
    throw error;
  }
}

async function runningServices(home: Home, name: string): Promise<readonly RecordedService[]> {
  const found = await readState(home);
  if (found?.supervisor === undefined) {
    throw new Explained(`${NOT_RUNNING} (in another terminal, or with -- --detach), then npm run dev -- ${name}`);
  }
  if (found.state.embedded !== undefined)
    throw new Explained('npm run dev needs a process for each service: npm start with the four servers');
  if (found.state.phase === 'ready') return found.state.services;
  throw new Explained(`Parley is ${found.state.phase}: try again when \`npm run status\` says that everything is ready.`);
}

async function untilLent(home: Home, name: string, cancelled: AbortSignal): Promise<RecordedService & { lent: Loan }> {
  const endsAt = performance.now() + LENT_WITHIN_MS;
  while (performance.now() < endsAt) {
    const service = (await runningServices(home, name)).find((each) => each.name === name);
    const lent = service?.lent;
    if (service !== undefined && lent?.to.pid === process.pid) return { ...service, lent };
    // Ctrl-C in this wait is no mistake: the loan file goes, and with it the loan.
    await sleep(LOOK_EVERY_MS, undefined, { signal: cancelled }).catch(() => {
      throw new Explained(`${name} stays with npm start`, EXIT_INTERRUPTED);
    });
  }
  throw new Explained(`npm start did not hand over ${name} within ${LENT_WITHIN_MS / 1_000} s: was it started by an earlier version?`);
}

async function untilRecalled(home: Home, name: string): Promise<void> {
  // Unreferenced: what waits for the end of the stack must not keep this process alive.
  while (await runningServices(home, name).then(Boolean, () => false)) await sleep(LOOK_EVERY_MS, undefined, { ref: false });
}

async function giveBack(home: Home, name: string): Promise<boolean> {
  await dropLock(loanFile(home, name));
  const endsAt = performance.now() + BACK_WITHIN_MS;
  while (performance.now() < endsAt) {
    const found = await readState(home);
    if (found?.supervisor === undefined || found.state.phase !== 'ready') return false;
    const service = found.state.services.find((each) => each.name === name);
    if (service?.lent !== undefined && service.lent.to.pid !== process.pid) return false; // the next npm run dev has it
    if (service?.process !== undefined && service.lent === undefined && (await isReady(service.url))) return true;
    await sleep(LOOK_EVERY_MS);
  }
  return false;
}
