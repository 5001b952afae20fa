import type { DependencyName } from './dependencies.js';
import type { EventType } from './events.js';

/** The topic exchange that carries every event. */
export const EVENTS_EXCHANGE = 'parley.events';

/** Wait before attempt 2, 3, 4 in milliseconds (R085: 2 -> 10 s, exponential); a queue uses as many as it has attempts left. */
export const RETRY_DELAYS_MS = [2_000, 4_000, 8_000] as const;

/** An app that consumes; its process name in logs, metrics and the management UI. */
export type ConsumingApp = 'embedding' | 'scoring' | 'delivery' | 'ops';

/** An app that publishes events or asks requests. */
export type ProducingApp = 'gateway' | 'realtime' | ConsumingApp;

/** What every queue has, whatever travels through it. */
interface QueueEnds {
  /** Apps that put messages into the queue. */
  readonly producers: readonly ProducingApp[];
  /** The app that consumes it. */
  readonly app: ConsumingApp;
  /** The file whose code handles its messages, from the root of the repository; `test/docs/pipeline.spec.ts` opens it. */
  readonly handler: `apps/${string}.ts`;
}

/** A queue of events: what it hears, and how failures are treated. */
export interface PipelineRow extends QueueEnds {
  readonly kind: 'events';
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
  /** Longest run of the handler in milliseconds (docs/concepts/resilience.md, "Numbers"). */
  readonly deadlineMs: number;
  /** An open breaker of one of these pauses the queue: an outage is not an attempt (law 4). */
  readonly pausesWith: readonly DependencyName[];
  /** The inbox keeps handled event ids so that an effect happens once. Off where the effect is idempotent by itself. */
  readonly deduplicate: boolean;
  /** Messages the queue takes before the broker refuses more (`reject-publish`), R096. */
  readonly maxLength: number;
}

/** A queue of requests, which are answered within seconds or not at all. They go straight to their queue, not through the exchange. */
export interface RequestRow extends QueueEnds {
  readonly kind: 'requests';
  /** Longest wait for a reply in milliseconds; a request lives no longer in the queue. */
  readonly timeoutMs: number;
  /** Requests that wait in the queue; the broker drops the oldest, whose client is the first to give up anyway. */
  readonly maxWaiting: number;
  /** Longest request in bytes; a longer one is dropped unread. */
  readonly maxBytes: number;
}

/** One queue of the system. */
export type QueueRow = PipelineRow | RequestRow;

/** Events are written into the outbox with what they tell; any relay may publish any row, so each app that has one is a producer. */
const RELAYING = ['gateway', 'realtime', 'ops'] as const satisfies readonly ProducingApp[];

const defineQueues = <const Rows extends Readonly<Record<string, QueueRow>>>(rows: Rows): Rows => rows;

/** Indexes one message before its sender is answered (`priority: "high"`, R012); the request is the `message.created`. */
export const EMBED_NOW_QUEUE = 'embedding.requests';

/** Says what a conversation would be worth to a user's score, before the one who asks is answered. */
export const SCORE_NOW_QUEUE = 'scoring.requests';

/**
 * Every queue of the system: the table of contents. The bus declares its queues from this table, boot fails when the
 * registered handlers and the table disagree, and `docs/reference/events.md` is printed from it.
 */
export const queues = defineQueues({
  'embedding.messages': {
    kind: 'events',
    producers: RELAYING,
    app: 'embedding',
    handler: 'apps/embedding/src/adapters/amqp/messages.consumer.ts',
    hears: ['message.created', 'message.edited', 'message.deleted', 'vectors.rebuild'],
    emits: ['message.embedded'],
    // Chroma takes 1.9 ms per vector in batches of 10 and half of it in batches of 50 (docs/performance/vectors.md): at 500 messages/s 100 ms collect 50.
    batch: { size: 100, waitMs: 100 },
    concurrency: 2,
    attempts: 3,
    deadlineMs: 30_000,
    pausesWith: ['chroma', 'embedder', 'postgres'],
    deduplicate: false, // upserts by `{messageId}#chunk_{i}`, guarded by the ledger's version, are idempotent by themselves
    maxLength: 1_000_000,
  },
  'embedding.documents': {
    kind: 'events',
    producers: RELAYING,
    app: 'embedding',
    handler: 'apps/embedding/src/adapters/amqp/documents.consumer.ts',
    hears: ['document.created'],
    emits: [],
    batch: { size: 1, waitMs: 0 },
    concurrency: 2, // a short document need not wait for a long one
    attempts: 3,
    deadlineMs: 30_000, // R104: 30 s per file; a longer one goes on in its next delivery
    pausesWith: ['chroma', 'embedder', 'postgres'],
    deduplicate: false, // goes on where the ledger ends
    maxLength: 10_000, // R096
  },
  'delivery.messages': {
    kind: 'events',
    producers: [...RELAYING, 'embedding', 'scoring'],
    app: 'delivery',
    handler: 'apps/delivery/src/adapters/amqp/messages.consumer.ts',
    hears: [
      'message.created',
      'message.edited',
      'message.deleted',
      'conversation.created',
      'member.added',
      'member.removed',
      'receipt.recorded',
      'message.embedded',
      'score.updated',
    ],
    emits: ['push.due'],
    // A message that comes alone goes at once, those that come while batches are handled are the next one: waiting 2 ms cost each message 3 to 4.
    batch: { size: 100, waitMs: 0 },
    concurrency: 4,
    attempts: 3,
    deadlineMs: 20_000, // three calls of Postgres (5 s each) and one of Redis
    pausesWith: ['redis', 'postgres'],
    deduplicate: false, // signals may repeat: who receives them drops what it has sent
    maxLength: 1_000_000,
  },
  'delivery.push': {
    kind: 'events',
    producers: ['delivery'],
    app: 'delivery',
    handler: 'apps/delivery/src/adapters/amqp/pushes.consumer.ts',
    hears: ['push.due'],
    emits: [],
    batch: { size: 50, waitMs: 500 }, // the pushes of a burst become one
    concurrency: 2,
    attempts: 3,
    deadlineMs: 60_000, // an access token, a push, both once more, at 5 s each, and those of others before it
    pausesWith: ['postgres'], // not with a provider: the other one works
    deduplicate: false, // a push that comes twice replaces itself on its device
    maxLength: 1_000_000,
  },
  'scoring.messages': {
    kind: 'events',
    producers: RELAYING,
    app: 'scoring',
    handler: 'apps/scoring/src/adapters/amqp/messages.consumer.ts',
    hears: ['message.created', 'message.edited', 'message.deleted'],
    emits: [],
    batch: { size: 200, waitMs: 200 }, // no reader waits for signals: few statements with many rows each
    concurrency: 1,
    attempts: 3,
    deadlineMs: 20_000, // two calls of Postgres (5 s each)
    pausesWith: ['postgres'],
    deduplicate: false, // rows are guarded by the version of their message
    maxLength: 1_000_000,
  },
  'scoring.logs': {
    kind: 'events',
    producers: RELAYING,
    app: 'scoring',
    handler: 'apps/scoring/src/adapters/amqp/logs.consumer.ts',
    hears: ['conversation.ended'],
    emits: [],
    batch: { size: 1, waitMs: 0 }, // a log has up to 10 MB
    concurrency: 2,
    attempts: 3,
    deadlineMs: 60_000, // three calls of Postgres (5 s each), and two tries at the object store (15 s each)
    pausesWith: ['objectStore', 'postgres'],
    deduplicate: false, // the key follows from the end: the same object again
    maxLength: 1_000_000,
  },
  'ops.erasures': {
    kind: 'events',
    producers: RELAYING,
    app: 'ops',
    handler: 'apps/ops/src/adapters/amqp/erasures.consumer.ts',
    hears: ['user.erased'],
    emits: [],
    batch: { size: 1, waitMs: 0 },
    concurrency: 1, // an erasure takes turns with the others: it is postponed after each slice
    attempts: 3,
    deadlineMs: 60_000, // a slice of 20 s, and its last page: of dead letters 30 s at most
    pausesWith: ['postgres', 'chroma', 'redis', 'objectStore'],
    deduplicate: false, // what is erased stays erased
    maxLength: 100_000,
  },
  'scoring.conversations': {
    kind: 'events',
    producers: RELAYING,
    app: 'scoring',
    handler: 'apps/scoring/src/adapters/amqp/conversations.consumer.ts',
    hears: ['conversation.ended', 'score.calculate'],
    emits: ['score.updated', 'score.recalculate'],
    batch: { size: 1, waitMs: 0 }, // one analysis fails for itself
    concurrency: 4, // they wait for a model, not for this process
    attempts: 3,
    deadlineMs: 180_000, // R065: a whole run
    pausesWith: ['postgres'], // not with the model: its outage has a fallback
    deduplicate: false, // `score_changes` has a key for each end, and a repetition is told the same
    maxLength: 1_000_000,
  },
  'scoring.rescores': {
    kind: 'events',
    producers: [...RELAYING, 'scoring'],
    app: 'scoring',
    handler: 'apps/scoring/src/adapters/amqp/conversations.consumer.ts',
    hears: ['score.recalculate'],
    emits: ['score.updated', 'score.recalculate'],
    batch: { size: 1, waitMs: 0 },
    concurrency: 1, // the nightly run of all users must not take the model from those who wait
    attempts: 3,
    deadlineMs: 180_000,
    pausesWith: ['llm', 'postgres'],
    deduplicate: false, // a transcript that was scored is not scored again
    maxLength: 1_000_000,
  },
  [SCORE_NOW_QUEUE]: {
    kind: 'requests',
    producers: ['gateway'],
    app: 'scoring',
    handler: 'apps/scoring/src/scoring.module.ts',
    timeoutMs: 25_000, // within the 30 s of its route
    maxWaiting: 100,
    maxBytes: 1_024, // two ids
  },
  [EMBED_NOW_QUEUE]: {
    kind: 'requests',
    producers: ['gateway'],
    app: 'embedding',
    handler: 'apps/embedding/src/embedding.module.ts',
    timeoutMs: 2_000, // docs/concepts/resilience.md, "Numbers"
    maxWaiting: 100,
    maxBytes: 262_144, // 16,384 characters, each escaped in six bytes, and the metadata
  },
});

type Queues = typeof queues;
type NamesOf<Kind extends QueueRow['kind']> = { [Name in keyof Queues]: Queues[Name]['kind'] extends Kind ? Name : never }[keyof Queues];

const rowsOfKind = (kind: QueueRow['kind']): Record<string, QueueRow> =>
  Object.fromEntries(Object.entries<QueueRow>(queues).filter(([, row]) => row.kind === kind));

/** The queues of events, in the order of {@link queues}. */
export const pipeline = rowsOfKind('events') as Record<NamesOf<'events'>, PipelineRow>;

/** The queues of requests, in the order of {@link queues}. */
export const requests = rowsOfKind('requests') as Record<NamesOf<'requests'>, RequestRow>;

/** What handlers return does not pass the outbox; the nightly run and operators write this one into it as well. */
const RETURNED_AND_STORED: ReadonlySet<EventType> = new Set(['score.recalculate']);

/** Whether an event is written into the outbox, which any app with a relay publishes. */
export const isFromOutbox = (type: EventType): boolean =>
  RETURNED_AND_STORED.has(type) || !Object.values(pipeline).some(({ emits }) => emits.includes(type));

/** The apps that publish an event: those with a relay of the outbox, and those whose handlers return it. */
export const publishersOf = (type: EventType): readonly ProducingApp[] => {
  const returning = Object.values(pipeline).flatMap(({ app, emits }) => (emits.includes(type) ? [app] : []));
  return [...new Set<ProducingApp>([...(isFromOutbox(type) ? RELAYING : []), ...returning])];
};

/** Longest wait for {@link EMBED_NOW_QUEUE} in milliseconds. */
export const EMBED_NOW_TIMEOUT_MS = requests[EMBED_NOW_QUEUE].timeoutMs;

/** Longest wait for {@link SCORE_NOW_QUEUE} in milliseconds. */
export const SCORE_NOW_TIMEOUT_MS = requests[SCORE_NOW_QUEUE].timeoutMs;

/**
 * Queues of earlier versions whose row is gone. Without the management API a broker is asked for them by name;
 * `parley queues retire <name>` removes one.
 */
export const retiredQueues: readonly string[] = [];
