import { join } from 'node:path';
import type { Home } from '../home/home.js';
import { serviceRunFolder } from '../home/leftovers.js';
import type { ServerProcess } from '../process/server-process.js';
import { serviceProcess } from '../process/service-process.js';
import { withoutSettings } from '../supervisor/service-environment.js';
import type { Terminal } from '../supervisor/terminal.js';
import type { BorrowedService } from './borrowed-service.js';
import { SourceChanges } from './source-changes.js';

/** Shorter than a drain may take: a developer waits, and an attached debugger keeps an ended process. */
const STOP_WITHIN_MS = 5_000;
/** A breakpoint in the start is no failure to start. */
const READY_WITHIN_MS = 1_800_000;

/** What differs from the settings of `npm start`, so that a breakpoint is no hang and stops the one process that there is. */
export const DEBUG_SETTINGS: Readonly<Record<string, string>> = { WATCHDOG_HANG_MS: '0', WEB_CONCURRENCY: '1' };

/** What is run, and what it is made of. */
export interface WatchPlan {
  readonly home: Home;
  /** Whose flags for Node it has. */
  readonly app: string;
  readonly service: BorrowedService;
  /** Its built entry file. */
  readonly entry: string;
  readonly inspectPort: number;
  /** Folders whose changes restart it. */
  readonly sources: readonly string[];
  /** Makes the entry file of the sources; resolves to what is wrong with them, undefined when nothing is. */
  readonly compile: (cancelled: AbortSignal) => Promise<string | undefined>;
  readonly terminal: Pick<Terminal, 'say' | 'show' | 'outputOf'>;
}

/** Runs a borrowed service, as it is built, under a debugger and restarts it after each change that compiles, until `stopping` fires. */
export async function runWatched(plan: WatchPlan, stopping: AbortSignal): Promise<void> {
  const { service, terminal } = plan;
  const changes = new SourceChanges(plan.sources, stopping);
  const server = serverOf(plan, stopping);
  server.onCrash((how) => terminal.say(`${service.name} ${how}; ${AFTER_CHANGE}`));
  await restart(server, plan, stopping);
  for (let files = await changes.next(); files.length > 0; files = await changes.next()) {
    terminal.say(`changed: ${files.slice(0, 3).join(', ')}${files.length > 3 ? ` and ${files.length - 3} more` : ''}`);
    const complaint = await plan.compile(stopping).catch((error: Error) => error.message);
    if (complaint === undefined) await restart(server, plan, stopping);
    else terminal.show(`${complaint}\ndoes not compile; ${server.pid === undefined ? AFTER_CHANGE : 'the code before goes on running'}`);
  }
  await server.stop();
}

const AFTER_CHANGE = 'it starts again after the next change';

async function restart(server: ServerProcess, { service, terminal }: WatchPlan, stopping: AbortSignal): Promise<void> {
  const startedAt = performance.now();
  try {
    await server.restart();
    terminal.say(`${service.name} is ready at ${service.url} (${((performance.now() - startedAt) / 1_000).toFixed(1)} s)`);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    if (!stopping.aborted) terminal.say(`${reason}; ${AFTER_CHANGE}`);
  }
}

function serverOf({ home, app, service, entry, inspectPort, terminal }: WatchPlan, stopping: AbortSignal): ServerProcess {
  const { name, url, environment } = service;
  return serviceProcess({
    name,
    app,
    url,
    entry,
    nodeArguments: [`--inspect=127.0.0.1:${inspectPort}`],
    env: { ...withoutSettings(process.env), ...environment, ...DEBUG_SETTINGS },
    logFile: join(home.logs, `${name}.log`),
    onOutput: terminal.outputOf(name),
    // Where the supervisor has it too: whatever ends this process, `npm start` and `npm stop` find what it left.
    pidFile: join(serviceRunFolder(home), `${name}.pid`),
    stopWithinMs: STOP_WITHIN_MS,
    readyWithinMs: READY_WITHIN_MS,
    cancelled: stopping,
  });
}
