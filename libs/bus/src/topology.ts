import { createHash } from 'node:crypto';
import { EVENTS_EXCHANGE, type PipelineRow, type RequestRow, RETRY_DELAYS_MS } from '#lib/contracts/pipeline';

/** Rows of a pipeline by queue name. `pipeline` in contracts is the one of the product; tests bring their own. */
export type PipelineRows = Readonly<Record<string, PipelineRow>>;

/** A queue as the broker must have it. All are durable. */
export interface QueuePlan {
  readonly name: string;
  readonly arguments: Readonly<Record<string, string | number>>;
}

/** Everything the broker must know, as plain data. */
export interface Topology {
  readonly exchange: string;
  readonly queues: readonly QueuePlan[];
  readonly bindings: readonly { readonly queue: string; readonly routingKey: string }[];
}

/** How many ways back to a queue there are: `<queue>.retry.1` to `.3`. */
export const RETRY_TIERS = RETRY_DELAYS_MS.length;

/**
 * How often the broker may take a message back from a consumer that died before it gives up on it (`x-delivery-limit`). It guards
 * against a message that kills every process it meets. Far above what rolling restarts cause: they count too.
 */
export const MAX_RETURNS = 20;

// A dead letter must survive being looked at, and looking is taking and giving back. RabbitMQ 4 drops it after 20 of those unless told
// otherwise; -1 (no limit) makes 3.10 drop it at the first one.
const NO_LIMIT = 1_000_000_000;

/** Where a message of `queue` waits for its next try. Tier 1 is the shortest wait. */
export const retryQueue = (queue: string, tier: number): string => `${queue}.retry.${tier}`;

/** Where messages of `queue` end that will not be tried again by themselves. */
export const deadLetterQueue = (queue: string): string => `${queue}.dlq`;

/**
 * How long tier `tier` of `queue` makes a message wait, in milliseconds: the tier's delay plus 0-10 %, so that queues that failed at the
 * same moment do not come back at the same moment. Fixed by the queue's name: the broker refuses a queue declared with another number.
 */
export const retryDelayMs = (queue: string, tier: number, delaysMs: readonly number[] = RETRY_DELAYS_MS): number => {
  const delayMs = delaysMs[tier - 1];
  if (delayMs === undefined) throw new RangeError(`there is no retry tier ${tier}`);
  const share = createHash('sha256').update(queue).digest().readUInt32BE(0) / 2 ** 32;
  return Math.round(delayMs * (1 + share / 10));
};

/** The exchange, queues and bindings that these rows need. The same rows give the same topology in every process and at every boot. */
export const topologyOf = (rows: PipelineRows, delaysMs: readonly number[] = RETRY_DELAYS_MS): Topology => ({
  exchange: EVENTS_EXCHANGE,
  queues: Object.entries(rows).flatMap(([queue, row]) => [
    workQueue(queue, row),
    ...delaysMs.map((_, index) => waitingRoom(queue, index + 1, row, delaysMs)),
    endOfTheRoad(queue),
  ]),
  bindings: Object.entries(rows).flatMap(([queue, { hears }]) => hears.map((routingKey) => ({ queue, routingKey }))),
});

/** The queue of a row of requests. Durable, because RabbitMQ 4 gives up transient queues that several may consume; its messages are not. */
export const requestTopology = (name: string, { timeoutMs, maxWaiting }: RequestRow): Topology => ({
  exchange: EVENTS_EXCHANGE,
  queues: [{ name, arguments: { 'x-message-ttl': timeoutMs, 'x-max-length': maxWaiting } }],
  bindings: [],
});

/** Whether a published event of this type must reach a queue. What nobody hears may be published all the same. */
export const isHeard = (rows: PipelineRows, type: string): boolean =>
  Object.values(rows).some(({ hears }) => hears.some((heard) => heard === type));

const workQueue = (name: string, { maxLength }: PipelineRow): QueuePlan => ({
  name,
  arguments: {
    ...replicated,
    'x-delivery-limit': MAX_RETURNS,
    ...movesTo(deadLetterQueue(name)),
    ...refusesWhenFull(maxLength),
  },
});

const waitingRoom = (queue: string, tier: number, { maxLength }: PipelineRow, delaysMs: readonly number[]): QueuePlan => ({
  name: retryQueue(queue, tier),
  arguments: {
    ...replicated,
    // Per queue, never per message: a message with a short time to live would wait behind one with a long one.
    'x-message-ttl': retryDelayMs(queue, tier, delaysMs),
    ...movesTo(queue),
    ...refusesWhenFull(maxLength),
  },
});

const endOfTheRoad = (queue: string): QueuePlan => ({
  name: deadLetterQueue(queue),
  arguments: { ...replicated, 'x-delivery-limit': NO_LIMIT },
});

const replicated = { 'x-queue-type': 'quorum' } as const;

/** Through the default exchange, whose bindings are the queues themselves: nothing to bind, nothing to forget. */
const movesTo = (queue: string) => ({
  'x-dead-letter-exchange': '',
  'x-dead-letter-routing-key': queue,
  // The move is confirmed before the message is removed. It needs reject-publish below, else RabbitMQ silently falls back to at-most-once.
  'x-dead-letter-strategy': 'at-least-once',
});

const refusesWhenFull = (maxLength: number) => ({ 'x-overflow': 'reject-publish', 'x-max-length': maxLength });
