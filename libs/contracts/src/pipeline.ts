import type { DependencyName } from './dependencies.js';
import type { EventType } from './events.js';

/** The exchange that carries every event (topic). */
export const EVENTS_EXCHANGE = 'parley.events';

/** Wait before attempt 2, 3, 4 in milliseconds (R085: 2 -> 10 s, exponential); a queue uses as many as it has attempts left. */
export const RETRY_DELAYS_MS = [2_000, 4_000, 8_000] as const;

/** One line of the pipeline: a queue, who consumes it, what it hears, and how failures are treated. */
export interface PipelineRow {
  /** The consuming app; its process name in logs, metrics and the management UI. */
  readonly app: 'embedding' | 'scoring' | 'delivery' | 'ops';
  /** Routing keys bound to the queue. */
  readonly hears: readonly EventType[];
  /** Events that a handler of this queue may return; the bus publishes them before it acks. */
  readonly emits: readonly EventType[];
  /** A micro-batch closes at `size` events or `waitMs` after its first event, whichever comes first. */
  readonly batch: { readonly size: number; readonly waitMs: number };
  /** Batches handled at once in one process. */
  readonly concurrency: number;
  /** Tries in all, the first included; then the dead-letter queue (R021). */
  readonly attempts: number;
  /** One handler run may take this long (resilience.md, "event handler"). */
  readonly deadlineMs: number;
  /** When the breaker of one of these is open, the queue is paused: an outage is not an attempt (law 4). */
  readonly pausesWith: readonly DependencyName[];
  /** Handled event ids are remembered in the inbox so that an effect happens once. Off where the effect is idempotent by itself. */
  readonly deduplicate: boolean;
  /** How many messages the queue takes before the broker refuses more (`reject-publish`), R096. */
  readonly maxLength: number;
}

/** A queue for questions that are answered within seconds or not at all. */
export interface RequestRow {
  /** The app whose processes answer. */
  readonly app: PipelineRow['app'];
  /** Longest wait for an answer in milliseconds; a question lives no longer in the queue. */
  readonly timeoutMs: number;
  /** Questions that wait in the queue; the broker drops the oldest, whose asker is the first to give up anyway. */
  readonly maxWaiting: number;
  /** Longest question in bytes; a longer one is dropped unread. */
  readonly maxBytes: number;
}

const defineRequests = <Queue extends string>(rows: Record<Queue, RequestRow>): Record<Queue, RequestRow> => rows;

/** Asked to index one message before its sender is answered (`priority: "high"`, R012); the question is the `message.created`. */
export const EMBED_NOW_QUEUE = 'embedding.requests';

/** Who answers what; the second half of the table of contents. Questions go straight to their queue, not through the exchange. */
export const requests = defineRequests({
  [EMBED_NOW_QUEUE]: {
    app: 'embedding',
    timeoutMs: 2_000, // resilience.md, "request/reply over RabbitMQ"
    maxWaiting: 100,
    maxBytes: 262_144, // 16,384 characters, each escaped in six bytes, and the metadata
  },
});

/** Longest wait for {@link EMBED_NOW_QUEUE} in milliseconds. */
export const EMBED_NOW_TIMEOUT_MS = requests[EMBED_NOW_QUEUE].timeoutMs;

/**
 * Queues of earlier versions whose row is gone. Their name stays here, so that a broker without the management API can be asked whether they
 * still exist; `parley queues retire <name>` removes one.
 */
export const retiredQueues: readonly string[] = [];

const definePipeline = <Queue extends string>(rows: Record<Queue, PipelineRow>): Record<Queue, PipelineRow> => rows;

/**
 * Who hears what: the table of contents of the system. The bus declares its queues from this table, boot fails when the
 * registered handlers and the table disagree, and `docs/reference/events.md` is printed from it.
 */
export const pipeline = definePipeline({
  'embedding.messages': {
    app: 'embedding',
    hears: ['message.created', 'message.edited', 'message.deleted', 'vectors.rebuild'],
    emits: ['message.embedded'],
    // In batches of 10 Chroma works 1.9 ms for a vector, of 50 half as long (docs/performance/vectors.md): 500 messages/s in 20 ms are 10, in 100 ms 50.
    batch: { size: 100, waitMs: 100 },
    concurrency: 2,
    attempts: 3,
    deadlineMs: 30_000,
    pausesWith: ['chroma', 'embedder', 'postgres'],
    deduplicate: false, // upserts by `{messageId}#chunk_{i}` guarded by the ledger's version are idempotent by themselves
    maxLength: 1_000_000,
  },
});
