import { Worker } from 'node:worker_threads';
import { overdueWork, type UnitOfWork } from '../work/work-registry.js';
import type { Logger } from '../log/logger.js';
import { samplePools, stuckPools } from '../work/pools.js';
import { type ProcessReport, processReport } from '../work/process-report.js';
import { WatchdogBoard } from './watchdog-board.js';

/** Exit code of a process that its watchdog ended (sysexits EX_SOFTWARE). Run it under a supervisor that restarts on it. */
export const EXIT_HUNG = 70;
/** Ends a process whose main thread sits in native code, where it cannot take an exit code: nothing else sends this signal to us. */
export const SIGNAL_HUNG = 'SIGALRM';

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
  /** How long the event loop may stand still (WATCHDOG_HANG_MS), in milliseconds. */
  readonly hangMs: number;
  readonly logger: Logger;
  /** How late timers run, in milliseconds. */
  readonly eventLoopLagMs: () => number;
  /** Called once when the event loop turns but a pool has lost its places. It should end the process with EXIT_HUNG, soon. */
  readonly onStuck: (reason: string, report: ProcessReport) => void;
}

const TICK_MS = 500;
/** Units of work in a snapshot; the oldest say where it hangs. */
const LISTED = 50;
/** What a thread needs that counts ticks; the defaults would reserve as much as the main thread's. */
const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 } as const;

/**
 * Every lane cuts a statement after 10.5 s at most and destroys its connection, so within 20 s something is given back whatever a caller asks for.
 * After three times that the pool has lost its places, and no way but a new process brings them back (R063).
 */
const LOST_POOL_FACTOR = 3;

/**
 * Notices that a process is alive but does nothing (R063: ten hours of 504 that no monitor reported) and says what it has in hand as one log line.
 * It ends the process, with {@link EXIT_HUNG} so that its supervisor starts another one, only for what one caller cannot cause and time does not heal:
 *
 *     main thread --beat and snapshot, every 500 ms--> shared memory <--looks at the beat, every 500 ms-- watchdog thread
 *        |                                                                   `--no beat for hangMs--> dump with the stack, exit 70; in native code SIGALRM
 *        |--a pool gave nothing back for hangMs--> logged; for three times hangMs--> dump, onStuck
 *        `--a handler outlives hangMs and twice its deadline--> logged, goes on: its caller was answered at the deadline
 */
export class Watchdog {
  private readonly board = new WatchdogBoard();
  private readonly thread: Worker;
  private readonly timer: NodeJS.Timeout;
  private readonly told = new WeakSet<UnitOfWork>();
  private exhausted: readonly string[] = [];
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
    this.tellOverdue();
    this.tellExhausted(report);
    const [lost] = this.isStuck ? [] : stuckPools(LOST_POOL_FACTOR * this.options.hangMs);
    if (lost === undefined) return;
    this.isStuck = true;
    const reason = `pool ${lost} has given nothing back for ${LOST_POOL_FACTOR * this.options.hangMs} ms`;
    this.options.logger.fatal({ reason, inHand: report }, 'a pool has lost its places: ending this process');
    this.options.onStuck(reason, report);
  }

  private tellOverdue(): void {
    for (const work of overdueWork(this.options.hangMs)) {
      if (this.told.has(work)) continue;
      this.told.add(work);
      this.options.logger.error({ work: work.report(performance.now()) }, 'a handler has outlived twice its deadline');
    }
  }

  private tellExhausted(report: ProcessReport): void {
    const exhausted = stuckPools(this.options.hangMs);
    const fresh = exhausted.filter((pool) => !this.exhausted.includes(pool));
    this.exhausted = exhausted;
    if (fresh.length > 0) this.options.logger.error({ pools: fresh, inHand: report }, 'a pool gives nothing back');
  }
}
