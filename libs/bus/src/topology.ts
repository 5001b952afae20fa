import { createHash } from 'node:crypto';
import { EVENTS_EXCHANGE, type PipelineRow, type RequestRow, RETRY_DELAYS_MS } from '#lib/contracts/pipeline';

/** Rows of events by queue name; `pipeline` in contracts holds those of the product. */
export type PipelineRows = Readonly<Record<string, PipelineRow>>;

/** A queue to declare. All are durable. */
export interface QueuePlan {
  readonly name: string;
  readonly arguments: Readonly<Record<string, string | number>>;
}

/** Exchange, queues and bindings to declare. */
export interface Topology {
  readonly exchange: string;
  readonly queues: readonly QueuePlan[];
  readonly bindings: readonly { readonly queue: string; readonly routingKey: string }[];
}

/** Retry queues of each work queue: `<queue>.retry.1` to `.3`. */
export const RETRY_TIERS = RETRY_DELAYS_MS.length;

/**
 * Returns after consumer crashes before the broker dead-letters a message (`x-delivery-limit`): stops a poison message that kills every
 * consumer. Far above what rolling restarts cause, which count too.
 */
export const MAX_RETURNS = 20;

// Reading a dead letter takes it and returns it. RabbitMQ 4 drops a message after 20 returns by default; -1 (no limit) makes 3.10 drop it
// at the first.
const NO_LIMIT = 1_000_000_000;

/** The queue where a message of `queue` waits for its next attempt. Tier 1 waits shortest. */
export const retryQueue = (queue: string, tier: number): string => `${queue}.retry.${tier}`;

/** The queue where messages of `queue` end that are not retried any more. */
export const deadLetterQueue = (queue: string): string => `${queue}.dlq`;

/**
 * Wait in tier `tier` of `queue`, in milliseconds: the tier's delay plus 0-10 % jitter, so that queues that failed together do not retry
 * together. The jitter is a hash of the name: the broker refuses to declare a queue again with another number.
 */
export const retryDelayMs = (queue: string, tier: number, delaysMs: readonly number[] = RETRY_DELAYS_MS): number => {
  const delayMs = delaysMs[tier - 1];
  if (delayMs === undefined) throw new RangeError(`there is no retry tier ${tier}`);
  const share = createHash('sha256').update(queue).digest().readUInt32BE(0) / 2 ** 32;
  return Math.round(delayMs * (1 + share / 10));
};

/** The exchange, queues and bindings of these rows. The same rows give the same topology in every process and at every boot. */
export const topologyOf = (rows: PipelineRows, delaysMs: readonly number[] = RETRY_DELAYS_MS): Topology => ({
  exchange: EVENTS_EXCHANGE,
  queues: Object.entries(rows).flatMap(([queue, row]) => [
    workQueuePlan(queue, row),
    ...delaysMs.map((_, index) => retryQueuePlan(queue, index + 1, row, delaysMs)),
    deadLetterQueuePlan(queue),
  ]),
  bindings: Object.entries(rows).flatMap(([queue, { hears }]) => hears.map((routingKey) => ({ queue, routingKey }))),
});

/** The queue of a row of requests. Durable, because RabbitMQ 4 drops shared transient queues; its messages are transient. */
export const requestTopology = (name: string, { timeoutMs, maxWaiting }: RequestRow): Topology => ({
  exchange: EVENTS_EXCHANGE,
  queues: [{ name, arguments: { 'x-message-ttl': timeoutMs, 'x-max-length': maxWaiting } }],
  bindings: [],
});

/** Whether a published event of this type must reach a queue. Publishing an event that no queue hears is allowed. */
export const isHeard = (rows: PipelineRows, type: string): boolean =>
  Object.values(rows).some(({ hears }) => hears.some((heard) => heard === type));

const workQueuePlan = (name: string, { maxLength }: PipelineRow): QueuePlan => ({
  name,
  arguments: {
    ...replicated,
    'x-delivery-limit': MAX_RETURNS,
    ...movesTo(deadLetterQueue(name)),
    ...refusesWhenFull(maxLength),
  },
});

const retryQueuePlan = (queue: string, tier: number, { maxLength }: PipelineRow, delaysMs: readonly number[]): QueuePlan => ({
  name: retryQueue(queue, tier),
  arguments: {
    ...replicated,
    // Per queue, never per message: a message with a short TTL would wait behind one with a long TTL.
    'x-message-ttl': retryDelayMs(queue, tier, delaysMs),
    ...movesTo(queue),
    ...refusesWhenFull(maxLength),
  },
});

const deadLetterQueuePlan = (queue: string): QueuePlan => ({
  name: deadLetterQueue(queue),
  arguments: { ...replicated, 'x-delivery-limit': NO_LIMIT },
});

const replicated = { 'x-queue-type': 'quorum' } as const;

/** Dead-letters through the default exchange, which routes to every queue by name without a binding. */
const movesTo = (queue: string) => ({
  'x-dead-letter-exchange': '',
  'x-dead-letter-routing-key': queue,
  // The broker confirms the move before it removes the message. Needs `reject-publish`, else it silently falls back to at-most-once.
  'x-dead-letter-strategy': 'at-least-once',
});

const refusesWhenFull = (maxLength: number) => ({ 'x-overflow': 'reject-publish', 'x-max-length': maxLength });
