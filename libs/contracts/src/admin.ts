import { z } from 'zod';

/** Most dead letters that one answer lists, and most that one order may name. */
export const MAX_DEAD_LETTERS = 1_000;

/** A dead letter of `queue`. Fields without a header are `null`. */
export const DeadLetter = z
  .object({
    id: z.string().meta({ description: 'The event id, from the body when its properties lack it; `sha256:...` of a body that has none' }),
    queue: z.string().meta({ description: 'The work queue whose consumer gave up on it, and where a replay puts it' }),
    type: z.string().meta({ description: 'Type of the event; `unknown` when neither properties nor body name one' }),
    conversationId: z.string().nullable(),
    errorClass: z.string().nullable(),
    error: z.string().nullable(),
    attempts: z.int().nullable(),
    firstFailedAt: z.string().nullable(),
    lastFailedAt: z.string().nullable(),
    traceId: z.string().nullable(),
    replays: z.int().nonnegative().meta({ description: 'How often it was replayed, and died again' }),
    replayedAt: z.string().nullable().meta({ description: 'When it was replayed last' }),
    sizeBytes: z.int().nonnegative(),
  })
  .meta({ id: 'DeadLetter' });
export type DeadLetter = z.infer<typeof DeadLetter>;

/** A dead letter with what it carries: JSON as it is, other text as text, anything else in base64. */
export const DeadLetterDetail = DeadLetter.extend({
  payload: z.unknown(),
  payloadEncoding: z.enum(['json', 'text', 'base64']),
  headers: z.record(z.string(), z.unknown()),
}).meta({ id: 'DeadLetterDetail' });
export type DeadLetterDetail = z.infer<typeof DeadLetterDetail>;

const name = z.string().min(1).max(255);

/** Filter for dead letters; an omitted field matches all. */
export const deadLetterFilter = {
  type: name.optional(),
  errorClass: name.optional(),
  conversationId: name.optional(),
  text: name.optional().meta({ description: 'Part of its id, conversation, error or payload, in upper or lower case' }),
} as const;

/** `GET /v1/admin/dead-letters`; without `queue` those of all queues. */
export const DeadLetterQuery = z.strictObject({
  queue: name.optional(),
  limit: z.coerce.number().int().min(1).max(MAX_DEAD_LETTERS).default(50),
  ...deadLetterFilter,
});
export type DeadLetterQuery = z.infer<typeof DeadLetterQuery>;

/** Answer of `GET /v1/admin/dead-letters`, oldest first. */
export const DeadLetterPage = z
  .object({
    items: z.array(DeadLetter),
    isComplete: z.boolean().meta({ description: 'false when there are more than `limit`, or more than could be looked at in time' }),
  })
  .meta({ id: 'DeadLetterPage' });
export type DeadLetterPage = z.infer<typeof DeadLetterPage>;

/** `POST /v1/admin/dead-letters/replay` and `/discard`: either `ids`, or `all` of a queue that match the filter. */
export const DeadLetterOrder = z
  .strictObject({
    queue: name,
    ids: z.array(name).min(1).max(MAX_DEAD_LETTERS).optional(),
    all: z.literal(true).optional(),
    ...deadLetterFilter,
    ratePerSecond: z.number().min(0.01).max(10_000).optional(),
    watchSeconds: z
      .number()
      .min(0)
      .max(15)
      .optional()
      .meta({ description: 'Replay only: look so long whether what was replayed dies again; see `diedAgain`' }),
    dryRun: z.boolean().default(false).meta({ description: 'Say what would be done, and do nothing' }),
    force: z.boolean().default(false).meta({ description: 'Also replay what was replayed three times already' }),
    first: z.int().positive().optional().meta({ description: 'Only the oldest so many: `next.first` of the answer before, to go on' }),
  })
  .refine((order) => (order.ids === undefined) !== (order.all === undefined), 'must have either ids or all')
  .meta({ id: 'DeadLetterOrder' });
export type DeadLetterOrder = z.infer<typeof DeadLetterOrder>;

/** Result of a replay or discard. */
export const DeadLetterOutcome = z
  .object({
    queue: z.string(),
    dryRun: z.boolean(),
    done: z.int().meta({ description: 'Replayed or discarded; in a dry run, how many would be' }),
    refused: z.array(z.object({ id: z.string(), reason: z.string() })).meta({ description: 'At most 100 of them' }),
    refusedCount: z.int(),
    diedAgain: z
      .array(z.string())
      .nullable()
      .meta({ description: 'Ids that were replayed and are dead letters again, at most 100; null when not watched (`watchSeconds`)' }),
    notFound: z.array(z.string()).meta({ description: 'Of `ids`: those that are not there' }),
    items: z.array(DeadLetter).meta({ description: 'In a dry run: what would be done, at most 1,000' }),
    remaining: z.int().meta({ description: 'Letters that this call did not get to; 0 when it is done' }),
    stoppedBy: z.string().nullable().meta({ description: 'Why it did not get to them: `time`, or what RabbitMQ said' }),
    next: z
      .object({ first: z.int().positive(), ids: z.array(z.string()).optional() })
      .nullable()
      .meta({ description: 'Send the same order with these in it to go on; letters that arrived since stay out of it' }),
  })
  .meta({ id: 'DeadLetterOutcome' });
export type DeadLetterOutcome = z.infer<typeof DeadLetterOutcome>;

/** `GET /v1/admin/outbox`: events that a commit promised and that RabbitMQ does not have yet. */
export const OutboxStatus = z
  .object({
    pending: z.number().nonnegative().meta({ description: 'Waiting to be published; 0 only when there is none' }),
    isEstimate: z.boolean().meta({ description: '`pending` was estimated from a sample: there are many' }),
    oldestAgeSeconds: z.number().nonnegative().meta({ description: 'Age of the oldest that waits; 0 when there is none' }),
    parked: z.int().nonnegative().meta({ description: 'Set aside because no queue took them or their schema refused them' }),
    items: z
      .array(
        z.object({
          eventId: z.string(),
          type: z.string(),
          conversationId: z.string().nullable(),
          attempts: z.int(),
          createdAt: z.string(),
          parkedAt: z.string(),
          reason: z.string().meta({ description: '`returned: ...` no queue took it; `invalid: ...` its schema refused it' }),
        }),
      )
      .meta({ description: 'The oldest that were set aside, at most 100' }),
  })
  .meta({ id: 'OutboxStatus' });
export type OutboxStatus = z.infer<typeof OutboxStatus>;

/** `POST /v1/admin/outbox/unpark`: either `ids` or `all`. */
export const OutboxUnparkOrder = z
  .strictObject({ ids: z.array(z.uuid()).min(1).max(1_000).optional(), all: z.literal(true).optional() })
  .refine((order) => (order.ids === undefined) !== (order.all === undefined), 'must have either ids or all')
  .meta({ id: 'OutboxUnparkOrder' });
export type OutboxUnparkOrder = z.infer<typeof OutboxUnparkOrder>;

/** Number of entries that are tried again. */
export const OutboxUnparked = z.object({ unparked: z.int().nonnegative() }).meta({ id: 'OutboxUnparked' });
export type OutboxUnparked = z.infer<typeof OutboxUnparked>;

/** Kinds of difference between messages, ledger and vectors. */
export const FindingKind = z.enum(['unindexed', 'missing', 'stale', 'orphan', 'failed']).meta({
  description:
    'unindexed: never indexed, though later messages were; missing: vectors that should be there are not; ' +
    'stale: vectors or ledger are of another version, or too many; orphan: vectors of a deleted or unknown message; ' +
    'failed: given up on, see its dead letter',
});
export type FindingKind = z.infer<typeof FindingKind>;

/** Findings of one comparison of messages, ledger and vector store. */
export const ConsistencyReport = z
  .object({
    messagesChecked: z.int().nonnegative(),
    chunksChecked: z.int().nonnegative(),
    pending: z.int().nonnegative().meta({ description: 'Messages that are probably still on their way to the indexer' }),
    findings: z.record(FindingKind, z.int().nonnegative()),
    examples: z.record(FindingKind, z.array(z.string())).meta({ description: 'Message ids, at most 20 of each kind' }),
    repaired: z.object({
      ordered: z.int().nonnegative().meta({ description: 'Messages whose vectors the indexer was told to make anew' }),
      removed: z.int().nonnegative().meta({ description: 'Vectors of unknown messages that were removed' }),
    }),
  })
  .meta({ id: 'ConsistencyReport' });
export type ConsistencyReport = z.infer<typeof ConsistencyReport>;

export const ConsistencyRunKind = z.enum(['check', 'repair']);
export type ConsistencyRunKind = z.infer<typeof ConsistencyRunKind>;

/** One comparison: requested, running or done. `report` grows while it runs. */
export const ConsistencyRun = z
  .object({
    id: z.uuid(),
    kind: ConsistencyRunKind,
    requestedBy: z.string(),
    requestedAt: z.string(),
    startedAt: z.string().nullable(),
    finishedAt: z.string().nullable(),
    report: ConsistencyReport.nullable(),
    failure: z.string().nullable(),
  })
  .meta({ id: 'ConsistencyRun' });
export type ConsistencyRun = z.infer<typeof ConsistencyRun>;

/** `GET /v1/admin/consistency`. `last` is the newest finished one. */
export const ConsistencyStatus = z
  .object({ waiting: ConsistencyRun.nullable(), running: ConsistencyRun.nullable(), last: ConsistencyRun.nullable() })
  .meta({ id: 'ConsistencyStatus' });
export type ConsistencyStatus = z.infer<typeof ConsistencyStatus>;
