import { Worker } from 'node:worker_threads';
import { type Work, workInFlight } from './in-flight.js';
import type { Logger } from './logger.js';
import { samplePools, stuckPools } from './pools.js';
import { type ProcessReport, processReport } from './process-report.js';
import { WatchdogBoard } from './watchdog-board.js';

/** Exit code of a process that its watchdog ended (sysexits EX_SOFTWARE): whoever started it should start it again. */
export const EXIT_HUNG = 70;

/** What the watchdog thread is told. Times in milliseconds. */
export interface WatchdogOrders {
  readonly memory: SharedArrayBuffer;
  readonly service: string;
  readonly pid: number;
  readonly hangMs: number;
  readonly tickMs: number;
}

/** How a process is watched. */
export interface WatchdogOptions {
  readonly service: string;
  /** How long nothing may move (WATCHDOG_HANG_MS), in milliseconds. */
  readonly hangMs: number;
  readonly logger: Logger;
  /** How late timers run, in milliseconds. */
  readonly eventLoopLagMs: () => number;
  /** Called once when the event loop turns but nothing gets through. It should end the process with EXIT_HUNG, soon. */
  readonly onStuck: (reason: string, report: ProcessReport) => void;
}

const TICK_MS = 500;
/** Units of work in a snapshot; the oldest say where it hangs. */
const LISTED = 50;
/** What a thread needs that counts ticks; the defaults would reserve as much as the main thread's. */
const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 } as const;

/**
 * Notices within `hangMs` that a process is alive but does nothing (R063: ten hours of 504, found by nobody), dumps what it has in hand as
 * one log line, and ends it with {@link EXIT_HUNG} so that its supervisor starts another one:
 *
 *     main thread --beat and snapshot, every 500 ms--> shared memory <--looks at the beat, every 500 ms-- watchdog thread
 *        |                                                                   `--no beat for hangMs--> dump with the stack, exit 70
 *        `--the loop turns, but a handler outlives twice its deadline or a pool gives nothing back for hangMs--> dump, onStuck
 */
export class Watchdog {
  private readonly board = new WatchdogBoard();
  private readonly thread: Worker;
  private readonly timer: NodeJS.Timeout;
  private isStuck = false;

  constructor(private readonly options: WatchdogOptions) {
    const { service, hangMs, logger } = options;
    const tickMs = Math.min(TICK_MS, Math.ceil(hangMs / 10));
    const orders: WatchdogOrders = { memory: this.board.memory, service, pid: process.pid, hangMs, tickMs };
    this.thread = new Worker(new URL('./watchdog-thread.js', import.meta.url), { workerData: orders, resourceLimits, name: 'watchdog' });
    this.thread.unref();
    this.thread.on('error', (err) => logger.error({ err }, 'the watchdog died: a hang of this process would not be noticed'));
    this.timer = setInterval(() => this.beat(), tickMs).unref();
    this.beat();
  }

  /** Watches no more. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.thread.terminate();
  }

  private beat(): void {
    this.board.beat();
    samplePools();
    const report = processReport(LISTED, this.options.eventLoopLagMs());
    this.board.write(JSON.stringify(report));
    const reason = this.isStuck ? undefined : whatIsStuck(this.options.hangMs);
    if (reason === undefined) return;
    this.isStuck = true;
    this.options.logger.fatal({ reason, inHand: report }, 'nothing gets through: ending this process');
    this.options.onStuck(reason, report);
  }
}

/** What does not move although the event loop turns; undefined when nothing is known to be stuck. */
export const whatIsStuck = (hangMs: number, now = performance.now(), works: Iterable<Work> = workInFlight()): string | undefined => {
  for (const work of works) {
    const { subject, deadlineMs = Number.POSITIVE_INFINITY } = work;
    const handlingMs = work.handlingForMs(now);
    // Twice its deadline: at the deadline its caller was answered, and what it called has been told to stop.
    if (handlingMs >= hangMs && handlingMs > 2 * deadlineMs) {
      return `${subject.what} (${subject.id}) has run for ${Math.round(handlingMs)} ms, its deadline is ${deadlineMs} ms`;
    }
  }
  const [pool] = stuckPools(hangMs, now);
  return pool === undefined ? undefined : `pool ${pool} has given nothing back for ${hangMs} ms`;
};
