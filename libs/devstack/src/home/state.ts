import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { HomeLock } from '../embedded/home-lock.js';
import type { ProcessIdentity } from '../process/process-identity.js';
import type { DependencyName } from '../provisioning/programs.js';
import type { Home } from './home.js';

/** Where a dependency came from: the caller's environment, Docker, a private process, or what the embedded mode brings. */
export type Origin = 'env' | 'docker' | 'local' | 'embedded';

/** Where the process that runs the embedded mode takes orders: on the loopback interface, from the owner of the record. Secret. */
export interface Control {
  readonly url: string;
  readonly token: string;
}

/** A service that `npm run dev` runs instead of the supervisor. */
export interface Loan {
  readonly to: ProcessIdentity;
  /** What the supervised process was given: settings under its own logins, and PORT. Secret. */
  readonly environment: Readonly<Record<string, string>>;
}

/** One of Parley's own processes. Without `process` it is down and waits to be started again, or it is lent. */
export interface RecordedService {
  readonly name: string;
  /** Whose process it is; `realtime` for realtime-1, realtime-2 and so on. */
  readonly app: string;
  readonly url: string;
  readonly process?: ProcessIdentity;
  readonly lent?: Loan;
}

/** One of the servers that Parley stands on. `url` carries its credentials. */
export interface RecordedDependency {
  readonly name: DependencyName;
  readonly url: string;
  readonly origin: Origin;
  /** The project that `docker compose` knows it by. */
  readonly composeProject?: string;
  readonly process?: ProcessIdentity;
}

/** What `npm start` writes down, readable by its owner only, so that other commands find it and nothing is ever left behind. */
export interface StackState {
  readonly phase: 'starting' | 'ready' | 'stopping';
  /** Where all of Parley is one process; undefined: a process for each service. */
  readonly embedded?: Control;
  /** The run that this is true of: what a killed run wrote down says nothing about the next one. */
  readonly supervisor: ProcessIdentity | undefined;
  readonly gatewayUrl: string;
  readonly services: readonly RecordedService[];
  readonly dependencies: readonly RecordedDependency[];
  /** What the services were given, under the logins of the operator's command line: DATABASE_URL, AUTH_JWT_SECRET and so on. Secret. */
  readonly environment: Readonly<Record<string, string>>;
  /** The same under the role that owns the tables. Secret. */
  readonly migration: Readonly<Record<string, string>>;
  /** RabbitMQ's management page with the administrator's login; absent when we do not know it. Secret. */
  readonly managementUrl: string | undefined;
}

/** What is written down, and whether its writer still runs. */
export interface FoundState {
  readonly state: StackState;
  /** The process that wrote it and still runs the stack; undefined when that is gone, however it went. */
  readonly supervisor: ProcessIdentity | undefined;
}

/** Reads the record of this home; undefined when nothing was started here, or all of it was stopped in order. */
export async function readState(home: Home): Promise<FoundState | undefined> {
  const state = await readJson(home.stateFile);
  if (state === undefined) return undefined;
  if (state.embedded !== undefined) return { state, supervisor: HomeLock.isClaimed(home.embeddedLock) ? state.supervisor : undefined };
  // Only where four servers were started, which needs /proc or ps.
  const { lockHolder } = await import('../process/lock-file.js');
  const holder = await lockHolder(home.lockFile);
  const isOfThisRun = holder !== undefined && holder.pid === state.supervisor?.pid && holder.startedAt === state.supervisor.startedAt;
  return { state, supervisor: isOfThisRun ? holder : undefined };
}

/** Replaces the record in one step, so that a reader never sees half of it. */
export async function writeState(home: Home, state: StackState): Promise<void> {
  const draft = `${home.stateFile}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 });
  await rename(draft, home.stateFile);
}

/** Forgets the record: nothing of it runs any more. */
export async function removeState(home: Home): Promise<void> {
  await rm(home.stateFile, { force: true });
}

async function readJson(file: string): Promise<StackState | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as StackState;
  } catch {
    return undefined;
  }
}
