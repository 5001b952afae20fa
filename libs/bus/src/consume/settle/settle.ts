import type { ParleyEvent } from '#lib/contracts/events';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { Decision } from './decide.js';
import type { Delivery } from '../delivery.js';
import type { DeliverySourcePort } from '../delivery-source.port.js';
import { NotKnownYet } from '../../outcome.js';
import { deadLetterQueue, retryQueue } from '../../topology.js';
import { contextOf } from '../run/trace.js';
import type { Tracked, RedeliveryTracker } from '../buffer/redelivery-tracker.js';
import { untilConfirmed } from '../../publish/until-confirmed.js';
import {
  attemptOf,
  errorClass,
  errorMessage,
  forDeadLetterQueue,
  forLater,
  forNewerConsumer,
  forNextAttempt,
  type WireMessage,
} from '../../wire-message.js';

/** Told about each event that went to a dead-letter queue, after it got there. `event` is undefined when it could not be decoded. */
export type DeadLetterListener = (queue: string, event: ParleyEvent | undefined, error: unknown) => void | Promise<void>;

/** A delivery to settle; `event` is undefined when it could not be decoded. */
export interface Settleable extends Tracked {
  readonly event: ParleyEvent | undefined;
}

/** What the log line of a settled event says beside its ids. */
export interface RunFacts {
  readonly startedAt: number;
  readonly batchSize: number;
}

type Final = Exclude<Decision, { kind: 'hold' }>;

/** What settling needs. */
export interface SettleSettings {
  readonly queue: string;
  readonly source: DeliverySourcePort;
  readonly redeliveries: RedeliveryTracker;
  readonly logger: Logger;
  /** Fires when the process will not wait any longer. */
  readonly signal: AbortSignal;
  readonly onDeadLetter?: DeadLetterListener | undefined;
}

/**
 * Gives deliveries back to the broker with what became of them. A retry or a dead letter is a copy that is confirmed before the original is
 * settled: a crash in between leaves one too many, never one too few. One log line per event (R022).
 */
export class Settlement {
  constructor(private readonly settings: SettleSettings) {}

  done(items: readonly Settleable[], account: RunFacts): void {
    if (items.length === 0) return;
    this.settle(items);
    for (const item of items) {
      this.settings.redeliveries.finished(item);
      this.report(item, 'done', account);
    }
  }

  /** Settles one that failed. Resolves when it is settled, or when the process stops first; then the broker has it again. */
  async failed(item: Settleable, decision: Final, error: unknown, account: RunFacts): Promise<void> {
    const { source, queue, signal, logger, redeliveries } = this.settings;
    const { to, copy } = this.plan(item.delivery, decision, error);
    const isThere = await untilConfirmed(
      () => source.copyTo(to, copy),
      signal,
      (outcome, failures) => {
        // The publisher itself reports when it loses the broker; this is about one queue that does not take copies.
        if (failures === 5) logger.warn({ queue, to, outcome, eventId: item.delivery.id }, 'cannot set an event aside yet, still trying');
      },
    );
    if (!isThere) return redeliveries.forget(item);
    this.settle([item]);
    // The copy of a postponed one is on the same try: it must not be taken for a mistake.
    if (decision.kind === 'postpone') redeliveries.forget(item);
    else redeliveries.finished(item);
    this.report(item, decision.kind, account, error);
    if (decision.kind === 'dead-letter') await this.announce(item, error);
  }

  /**
   * Gives deliveries back that this process will not handle any more, through the shortest retry tier: the broker counts what is merely
   * returned, and after 20 orderly restarts would take it for what killed them.
   * @returns how many are given back; the others the broker takes back itself. Tries until `signal` fires.
   */
  async requeue(items: readonly Settleable[], signal: AbortSignal): Promise<number> {
    const { source, queue, redeliveries, logger } = this.settings;
    let sentCount = 0;
    const sendOne = async (item: Settleable) => {
      const copy = forLater(item.delivery, item.delivery.returnCount);
      if (!(await untilConfirmed(() => source.copyTo(retryQueue(queue, 1), copy), signal))) return;
      this.settle([item]);
      redeliveries.forget(item);
      sentCount += 1;
    };
    await Promise.all(items.map((item) => sendOne(item)));
    metrics.eventAttempts.inc({ queue, outcome: 'sent-round' }, sentCount);
    if (items.length > 0) logger.info({ queue, sentCount, leftCount: items.length - sentCount }, 'events given back: the process stops');
    return sentCount;
  }

  private plan(delivery: Delivery, decision: Final, error: unknown): { to: string; copy: WireMessage } {
    const { queue } = this.settings;
    switch (decision.kind) {
      case 'retry':
        return { to: retryQueue(queue, decision.tier), copy: forNextAttempt(delivery) };
      case 'postpone':
        return {
          to: retryQueue(queue, decision.tier),
          copy: error instanceof NotKnownYet ? forNewerConsumer(delivery) : forLater(delivery, delivery.returnCount),
        };
      case 'dead-letter':
        return { to: deadLetterQueue(queue), copy: forDeadLetterQueue(delivery, error, queue) };
    }
  }

  private settle(items: readonly Settleable[]): void {
    this.settings.source.ack(items.map(({ delivery }) => delivery));
  }

  private report({ delivery, event }: Settleable, outcome: Final['kind'] | 'done', account: RunFacts, error?: unknown): void {
    const { queue, logger } = this.settings;
    metrics.eventAttempts.inc({ queue, outcome });
    if (outcome === 'dead-letter') metrics.deadLetter.inc({ queue, error_class: errorClass(error) });
    const level = outcome === 'done' ? 'info' : outcome === 'dead-letter' ? 'error' : 'warn';
    if (!logger.isLevelEnabled(level)) return;
    logger[level](
      {
        queue,
        event: delivery.type,
        eventId: delivery.id,
        ...(event === undefined ? {} : contextOf(delivery, event)),
        attempt: attemptOf(delivery),
        outcome,
        durationMs: Math.round(performance.now() - account.startedAt),
        batchSize: account.batchSize,
        ...(error === undefined ? {} : { errorClass: errorClass(error), error: errorMessage(error) }),
      },
      `event ${outcome}`,
    );
  }

  /** The listener's own failure must not change what became of the event. */
  private async announce({ event }: Settleable, error: unknown): Promise<void> {
    const { onDeadLetter, queue, logger } = this.settings;
    try {
      await onDeadLetter?.(queue, event, error);
    } catch (failure) {
      logger.error({ queue, err: failure }, 'the dead-letter listener failed');
    }
  }
}
