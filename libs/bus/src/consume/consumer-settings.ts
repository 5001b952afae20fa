import type { PipelineRow } from '#lib/contracts/pipeline';
import type { Logger } from '#lib/runtime/log/logger';
import type { PublisherPort } from '../publish/publisher.port.js';
import type { DeliverySourcePort } from './source/delivery-source.port.js';
import type { BreakerView } from './pause.js';
import type { InboxPort } from './run/inbox.port.js';
import type { BatchHandler } from './run/layer.js';
import { MAX_UNKNOWN } from './settle/decide.js';
import type { DeadLetterListener } from './settle/settle.js';

/** What a consumer of one queue is made of. */
export interface ConsumerSettings {
  readonly queue: string;
  readonly row: PipelineRow;
  readonly source: DeliverySourcePort;
  readonly handler: BatchHandler;
  readonly publisher: PublisherPort;
  readonly breakers: BreakerView;
  readonly logger: Logger;
  /** Needed when the row says `deduplicate`. */
  readonly inbox?: InboxPort | undefined;
  readonly onDeadLetter?: DeadLetterListener | undefined;
  readonly timing?: Partial<ConsumerTiming>;
}

/** Times that only tests change, in milliseconds. */
export interface ConsumerTiming {
  /** Waits of the retry tiers, as the queues were declared with. */
  readonly retryDelaysMs: readonly number[] | undefined;
  /** Wait before a probe after an outage that no breaker noticed. */
  readonly outageBackoff: { readonly baseMs: number; readonly capMs: number } | undefined;
  /**
   * Longest hold of a delivery in an outage; then it is requeued through the longest retry tier, which is no attempt. RabbitMQ closes
   * the channel of a delivery unacknowledged for 30 minutes, and a plain requeue would count towards `x-delivery-limit`.
   */
  readonly holdMs: number;
  /** Postponements of an event of unknown type before it is dead-lettered. */
  readonly maxUnknown: number;
  /** Longest time from the first to the last run over parts of one batch. */
  readonly batchBudgetMs: number;
}

/** The timing in production. */
export const TIMING: ConsumerTiming = {
  retryDelaysMs: undefined,
  outageBackoff: undefined,
  holdMs: 600_000,
  maxUnknown: MAX_UNKNOWN,
  batchBudgetMs: 300_000,
};

/** How a consumer stopped. */
export interface Drained {
  /** Deliveries neither settled nor requeued in time; the broker returns them, and counts that. */
  readonly unfinishedCount: number;
  /** Deliveries requeued through a retry tier, which counts as nothing. */
  readonly sentRoundCount: number;
}

/** How all consumers of a process stopped. */
export const sumOf = (all: readonly Drained[]): Drained => ({
  unfinishedCount: all.reduce((sum, { unfinishedCount }) => sum + unfinishedCount, 0),
  sentRoundCount: all.reduce((sum, { sentRoundCount }) => sum + sentRoundCount, 0),
});
