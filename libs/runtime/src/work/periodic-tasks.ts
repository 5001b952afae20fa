import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '#lib/runtime/log/logger';

/** One periodic task. */
export interface PeriodicTask {
  /** Its name in the log when it fails. */
  readonly name: string;
  /** From the start of one run to that of the next, in milliseconds; a long run is followed by half of it at least, see {@link pauseMs}. */
  readonly everyMs: number;
  /** `signal` fires at stop, so that a long run does not delay the end of its process. */
  readonly run: (signal: AbortSignal) => Promise<unknown>;
}

/** How long a task that runs `everyMs` rests after a run of `tookMs`: the pace is kept, and a slow dependency is not asked all the time. */
export const pauseMs = (everyMs: number, tookMs: number): number => Math.max(everyMs / 2, everyMs - tookMs);

/** Between the first runs of two tasks, in milliseconds: all at once they would want every connection of a process that has just begun. */
const BEGIN_APART_MS = 100;

/** Runs each task at its own interval until `stop`, also after failures. A task never runs twice at once. */
export class PeriodicTasks {
  private readonly stopping = new AbortController();
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly tasks: readonly PeriodicTask[],
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.running = Promise.all(this.tasks.map((task, index) => this.repeat(task, index * BEGIN_APART_MS)));
  }

  /** Resolves when no task runs any more. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async repeat({ name, everyMs, run }: PeriodicTask, beginAfterMs: number): Promise<void> {
    const { signal } = this.stopping;
    let failures = 0;
    if (beginAfterMs > 0) await pause(beginAfterMs, signal);
    while (!signal.aborted) {
      const startedAt = performance.now();
      try {
        await run(signal);
        failures = 0;
      } catch (err) {
        failures += 1;
        // Logged once per outage: the next runs fail for the same reason.
        if (failures === 1) this.logger.warn({ task: name, err }, 'a periodic task failed and is tried again');
      }
      await pause(pauseMs(everyMs, performance.now() - startedAt), signal);
    }
  }
}

/** Shorter when the tasks are told to stop. */
const pause = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal }).catch(() => undefined);
