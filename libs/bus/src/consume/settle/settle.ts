import type { ParleyEvent } from '#lib/contracts/events';
import type { WorkContext } from '#lib/runtime/log/context';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { within } from '#lib/runtime/work/within';
import type { Decision } from './decide.js';
import type { Delivery } from '../source/delivery.js';
import type { DeliverySourcePort } from '../source/delivery-source.port.js';
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

/** Called with each event once it lies in a dead-letter queue; `event` is undefined when it could not be decoded. */
export type DeadLetterListener = (queue: string, event: ParleyEvent | undefined, error: unknown) => void | Promise<void>;

/** A delivery to settle; `event` is undefined when it could not be decoded. */
export interface Settleable extends Tracked {
  readonly event: ParleyEvent | undefined;
  /** Its ids and the trace context of its last run, when it had one. */
  readonly context?: WorkContext;
}

/** The run of a settled event, for its log line. */
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
  /** Aborts the wait for the broker when the process stops. */
  readonly signal: AbortSignal;
  readonly onDeadLetter?: DeadLetterListener | undefined;
}

/**
 * Settles deliveries by their outcome. A retry or a dead letter is a copy, confirmed before the original is acknowledged: a crash in between
 * leaves a duplicate, never a loss. One log line per event (R022).
 */
export class Settlement {
  constructor(private readonly settings: SettleSettings) {}

  /** Acknowledges handled deliveries. */
  done(items: readonly Settleable[], run: RunFacts): void {
    if (items.length === 0) return;
    this.settle(items);
    for (const item of items) {
      this.settings.redeliveries.finished(item);
      this.report(item, 'done', run);
    }
  }

  /** Settles a failed delivery. Resolves when it is settled, or when the process stops first: then the broker delivers it again. */
  async failed(item: Settleable, decision: Final, error: unknown, run: RunFacts): Promise<void> {
    const { source, queue, signal, logger, redeliveries } = this.settings;
    const { to, copy } = this.plan(item.delivery, decision, error);
    const isConfirmed = await untilConfirmed(
      () => source.copyTo(to, copy),
      signal,
      (outcome, failures) => {
        // The publisher logs a lost broker itself; this line is for one queue that refuses copies.
        if (failures === 5)
          logger.warn({ queue, to, outcome, eventId: item.delivery.id }, 'cannot publish the copy of an event yet, retrying');
      },
    );
    if (!isConfirmed) return redeliveries.forget(item);
    this.settle([item]);
    // The copy of a postponed event has the same attempt: it must not look like a redelivery of finished work.
    if (decision.kind === 'postpone') redeliveries.forget(item);
    else redeliveries.finished(item);
    this.report(item, decision.kind, run, error);
    if (decision.kind === 'dead-letter') await this.notify(item, error);
  }

  /**
   * Requeues deliveries of a stopping process through the shortest retry tier: the broker counts plain returns and would dead-letter an event
   * after 20 orderly restarts. Settles within `ms`, also when the broker says nothing to a copy: a stop must not wait for its confirm timeout.
   * @returns the number requeued by then; the broker returns the others itself.
   */
  async requeue(items: readonly Settleable[], ms: number): Promise<number> {
    const { source, queue, redeliveries, logger } = this.settings;
    const signal = AbortSignal.timeout(ms);
    let sentCount = 0;
    const sendOne = async (item: Settleable) => {
      const copy = forLater(item.delivery, item.delivery.returnCount);
      if (!(await untilConfirmed(() => source.copyTo(retryQueue(queue, 1), copy), signal))) return;
      this.settle([item]);
      redeliveries.forget(item);
      sentCount += 1;
    };
    await within(ms, Promise.all(items.map((item) => sendOne(item))));
    metrics.eventAttempts.inc({ queue, outcome: 'sent-round' }, sentCount);
    if (items.length > 0) logger.info({ queue, sentCount, leftCount: items.length - sentCount }, 'events requeued: the process stops');
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

  private report({ delivery, event, context }: Settleable, outcome: Final['kind'] | 'done', run: RunFacts, error?: unknown): void {
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
        ...(event === undefined ? {} : (context ?? contextOf(delivery, event))),
        attempt: attemptOf(delivery),
        outcome,
        durationMs: Math.round(performance.now() - run.startedAt),
        batchSize: run.batchSize,
        ...(error === undefined ? {} : { errorClass: errorClass(error), error: errorMessage(error) }),
      },
      `event ${outcome}`,
    );
  }

  /** Calls the listener; its failure does not change the outcome of the event. */
  private async notify({ event }: Settleable, error: unknown): Promise<void> {
    const { onDeadLetter, queue, logger } = this.settings;
    try {
      await onDeadLetter?.(queue, event, error);
    } catch (failure) {
      logger.error({ queue, err: failure }, 'the dead-letter listener failed');
    }
  }
}
