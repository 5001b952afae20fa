import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '#lib/runtime/log/logger';

/** One task that is done again and again. */
export interface PeriodicTask {
  /** As it stands in the log when it fails. */
  readonly name: string;
  /** Pause between the end of one run and the next, in milliseconds. */
  readonly everyMs: number;
  /** `signal` fires when the rounds are to end: a long run should not make its process wait. */
  readonly run: (signal: AbortSignal) => Promise<unknown>;
}

/** Does tasks again and again until `stop`, each at its own pace and whatever fails. A task never runs twice at once. */
export class PeriodicTasks {
  private readonly stopping = new AbortController();
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly rounds: readonly PeriodicTask[],
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.running = Promise.all(this.rounds.map((round) => this.repeat(round)));
  }

  /** Resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async repeat({ name, everyMs, run }: PeriodicTask): Promise<void> {
    const { signal } = this.stopping;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await run(signal);
        failures = 0;
      } catch (err) {
        failures += 1;
        // Once per outage: the next rounds fail for the same reason.
        if (failures === 1) this.logger.warn({ round: name, err }, 'a round failed, trying again until it works');
      }
      await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
