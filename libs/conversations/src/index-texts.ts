import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { type PendingTextId, type TextIndexPort, TextsRefused } from './text-index.port.js';

/** Texts that failed before, tried again in one run: each may take as long as a whole batch. */
const TRIED_AGAIN = 10;
/** Texts that take too long alone, one after another, until that looks like Postgres' fault and not theirs. */
const SLOW_IN_A_ROW = 2;

/**
 * Makes the words of messages findable, out of the way of those who send them. Needs Postgres alone.
 *
 *     enlisted --indexed with its batch--> gone
 *        `--its batch is refused: halves, down to one--> indexed, or set aside
 *     set aside --tried again--> gone
 *        `--third failure, or one that stays--> parked, with its reason
 */
export class IndexTexts {
  private slowInARow = 0;

  constructor(
    private readonly texts: TextIndexPort,
    private readonly logger: Logger,
  ) {}

  /**
   * Works until nothing is left but what other processes work at, or until `signal`. @throws DependencyError when Postgres cannot; what was done
   * stays done.
   */
  async execute(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const ids = await this.texts.due();
      const moved = ids.length > 0 ? await this.bringInStep(ids) : await this.texts.enlistOlder();
      if (moved === 0) return;
    }
  }

  /** Gives texts that failed another chance, one by one. */
  async retry(signal: AbortSignal): Promise<void> {
    for (const id of await this.texts.failedBefore(TRIED_AGAIN)) {
      if (signal.aborted) return;
      await this.bringInStep([id]);
    }
  }

  /** Keeps the metrics up to date. */
  async measure(): Promise<void> {
    const { pending, parked, oldestAgeSeconds } = await this.texts.depth();
    metrics.textIndexPending.set(pending);
    metrics.textIndexParked.set(parked);
    metrics.textIndexOldestAge.set(oldestAgeSeconds);
  }

  /** @returns how many of them it indexed or set aside. */
  private async bringInStep(ids: readonly PendingTextId[]): Promise<number> {
    try {
      const taken = await this.texts.index(ids);
      this.slowInARow = 0;
      return taken;
    } catch (error) {
      if (!(error instanceof TextsRefused)) throw error;
      const [only] = ids;
      if (only !== undefined && ids.length === 1) {
        await this.setAside(only, error);
        return 1;
      }
      const middle = Math.ceil(ids.length / 2);
      return (await this.bringInStep(ids.slice(0, middle))) + (await this.bringInStep(ids.slice(middle)));
    }
  }

  private async setAside(id: PendingTextId, error: TextsRefused): Promise<void> {
    const { reason, isTimeout } = error;
    this.slowInARow = isTimeout ? this.slowInARow + 1 : 0;
    if (this.slowInARow > SLOW_IN_A_ROW) throw error;
    const isParked = await this.texts.setAside(id, { reason, isFinal: !isTimeout });
    if (isParked)
      this.logger.error({ pendingTextId: id, reason }, 'the words of a message cannot be indexed: search does not find it by them');
  }
}
