import { z } from 'zod';
import { ConversationId, MessageId, UserId } from './ids.js';
import { Content, humanText, textProblem } from './text.js';

const time = z.iso.datetime({ offset: true });

/** State of one stage behind a message. `skipped` = nothing in this deployment consumes that stage. */
export const StageState = z.enum(['pending', 'done', 'failed', 'skipped']);
export type StageState = z.infer<typeof StageState>;

/** Where a message stands behind its acknowledgement. */
export const PipelineState = z.object({ delivery: StageState, embedding: StageState, scoring: StageState });
export type PipelineState = z.infer<typeof PipelineState>;

const depthOf = (value: unknown, limit: number): boolean => {
  if (limit < 0) return false;
  if (value === null || typeof value !== 'object') return true;
  return Object.values(value).every((inner) => depthOf(inner, limit - 1));
};

/** The first text in `value`, a key or a string, that the text policy refuses: where it is and why. */
const badTextIn = (value: unknown, path: readonly string[] = []): { path: string[]; message: string } | undefined => {
  if (typeof value === 'string') {
    const message = textProblem(value);
    return message === undefined ? undefined : { path: [...path], message };
  }
  if (value === null || typeof value !== 'object') return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const keyProblem = textProblem(key);
    // The key itself is not repeated: what is wrong with it would be wrong in the answer too.
    if (keyProblem !== undefined) return { path: [...path], message: `has a key that is refused: it ${keyProblem}` };
    const found = badTextIn(inner, [...path, key]);
    if (found !== undefined) return found;
  }
  return undefined;
};

const MAX_METADATA_BYTES = 4_096;

/** Free JSON that a client attaches to a message: an object of at most 5 levels and 4 KiB, whose keys and strings meet the text policy. */
export const Metadata = z.record(z.string().max(128), z.json()).superRefine((value, context) => {
  // In this order, so that each check is safe from what the next one costs.
  if (!depthOf(value, 5)) return context.addIssue({ code: 'custom', message: 'must not be nested deeper than 5 levels' });
  if (Buffer.byteLength(JSON.stringify(value)) > MAX_METADATA_BYTES) {
    return context.addIssue({ code: 'custom', message: `must not exceed ${MAX_METADATA_BYTES} bytes of JSON` });
  }
  const bad = badTextIn(value);
  if (bad !== undefined) context.addIssue({ code: 'custom', ...bad });
});

/** The caller's key for exactly-once sends: 1-255 printable ASCII characters. */
export const IdempotencyKey = z.string().regex(/^[\x21-\x7e]{1,255}$/, 'must be 1-255 printable ASCII characters without spaces');

/** `POST /v1/conversations/{id}/messages`. */
export const NewMessage = z
  .strictObject({
    content: Content,
    clientMessageId: IdempotencyKey.optional(),
    priority: z.enum(['normal', 'high']).default('normal'),
    metadata: Metadata.optional(),
  })
  .meta({ id: 'NewMessage' });
export type NewMessage = z.infer<typeof NewMessage>;

/** `PATCH /v1/messages/{id}`. */
export const EditedMessage = z.strictObject({ content: Content }).meta({ id: 'EditedMessage' });
export type EditedMessage = z.infer<typeof EditedMessage>;

/** A message as its readers see it. `seq` is 1, 2, 3, ... per conversation without gaps. */
export const MessageView = z
  .object({
    id: MessageId,
    conversationId: ConversationId,
    seq: z.int().positive(),
    senderId: UserId,
    content: z.string(),
    metadata: z.record(z.string(), z.json()).optional(),
    version: z.int().positive(),
    createdAt: time,
    editedAt: time.optional(),
    deletedAt: time.optional(),
    pipeline: PipelineState,
  })
  .meta({ id: 'Message' });
export type MessageView = z.infer<typeof MessageView>;

/** `POST /v1/conversations`. The caller is always a member, listed or not. */
export const NewConversation = z
  .strictObject({
    title: humanText({ max: 200 }).optional(),
    memberIds: z.array(UserId).max(1_000),
  })
  .meta({ id: 'NewConversation' });
export type NewConversation = z.infer<typeof NewConversation>;

/** A conversation as one of its members sees it. */
export const ConversationView = z
  .object({
    id: ConversationId,
    title: z.string().nullable(),
    memberIds: z.array(UserId),
    headSeq: z.int().nonnegative(),
    createdAt: time,
  })
  .meta({ id: 'Conversation' });
export type ConversationView = z.infer<typeof ConversationView>;

/** A line of `GET /v1/conversations`. */
export const ConversationSummary = z
  .object({
    id: ConversationId,
    title: z.string().nullable(),
    memberIds: z.array(UserId),
    headSeq: z.int().nonnegative(),
    readSeq: z.int().nonnegative(),
    lastMessage: MessageView.nullable(),
  })
  .meta({ id: 'ConversationSummary' });
export type ConversationSummary = z.infer<typeof ConversationSummary>;

/** `PUT /v1/conversations/{id}/receipts`; each number only ever rises. */
export const Receipt = z
  .strictObject({ deliveredSeq: z.int().nonnegative().optional(), readSeq: z.int().nonnegative().optional() })
  .refine((receipt) => receipt.deliveredSeq !== undefined || receipt.readSeq !== undefined, 'must have deliveredSeq or readSeq')
  .meta({ id: 'Receipt' });
export type Receipt = z.infer<typeof Receipt>;

const limit = (max: number, fallback: number) => z.coerce.number().int().min(1).max(max).default(fallback);
const seqParam = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** `GET /v1/conversations`: `cursor` is what the last page gave as `nextCursor`. */
export const ConversationPage = z.strictObject({ cursor: z.string().max(200).optional(), limit: limit(100, 50) });
export type ConversationPage = z.infer<typeof ConversationPage>;

/** `GET /v1/conversations/{id}/messages`: after or before a `seq`, never both; without either, the newest. */
export const MessagePage = z
  .strictObject({ afterSeq: seqParam.optional(), beforeSeq: seqParam.optional(), limit: limit(200, 50) })
  .refine((page) => page.afterSeq === undefined || page.beforeSeq === undefined, 'afterSeq and beforeSeq exclude each other');
export type MessagePage = z.infer<typeof MessagePage>;

const flag = z.stringbool().default(false);

/** `GET /v1/search`. */
export const SearchQuery = z.strictObject({
  q: humanText({ max: 1_000 }),
  mode: z.enum(['hybrid', 'dense', 'sparse']).default('hybrid'),
  conversationId: ConversationId.optional(),
  senderId: UserId.optional(),
  from: time.optional(),
  to: time.optional(),
  limit: limit(50, 20),
  rerank: flag,
  explain: flag,
});
export type SearchQuery = z.infer<typeof SearchQuery>;

/** Parts that a search may have had to do without. */
export const SearchPart = z.enum(['dense', 'sparse', 'rerank']);
export type SearchPart = z.infer<typeof SearchPart>;

/** One search hit: `ranks` are 1-based places per stage, `score` is what the list is ordered by. */
export const SearchHit = z.object({
  message: MessageView,
  score: z.number(),
  ranks: z.object({
    dense: z.int().positive().optional(),
    sparse: z.int().positive().optional(),
    rrf: z.int().positive(),
    rerank: z.int().positive().optional(),
  }),
  highlight: z.string(),
  explain: z
    .object({
      denseScore: z.number().optional(),
      sparseScore: z.number().optional(),
      rrfScore: z.number(),
      rerankScore: z.number().optional(),
    })
    .optional(),
});
export type SearchHit = z.infer<typeof SearchHit>;

/** Answer of `GET /v1/search`; `degraded` names the parts that were left out. */
export const SearchResults = z
  .object({ items: z.array(SearchHit), degraded: z.array(SearchPart), tookMs: z.number() })
  .meta({ id: 'SearchResults' });
export type SearchResults = z.infer<typeof SearchResults>;

/** `POST /v1/conversations/{id}/context`: what an LLM agent wants to read, and how many tokens it has room for. */
export const ContextRequest = z
  .strictObject({
    query: humanText({ max: 1_000 }),
    maxTokens: z.int().min(1).max(200_000),
    /** Newest messages to include at least, as far as their share of the budget goes. */
    recent: z.int().min(0).max(200).default(20),
    /** Share of `maxTokens` that the newest messages may take before what fits the query has had its turn. */
    recentShare: z.number().min(0).max(1).default(0.6),
    /** Messages to look for by the query. */
    semanticK: z.int().min(0).max(50).default(10),
    /** The newest message that the caller knows of: the window must have been built with everything up to it in view. */
    minSeq: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  })
  .meta({ id: 'ContextRequest' });
export type ContextRequest = z.infer<typeof ContextRequest>;

/** Its answer: messages ascending by `seq`, each with the reason why it is there. */
export const ContextView = z
  .object({
    items: z.array(z.object({ message: MessageView, why: z.enum(['recent', 'semantic']) })),
    tokens: z.int().nonnegative(),
    indexedThroughSeq: z.int().nonnegative(),
    degraded: z.array(SearchPart),
  })
  .meta({ id: 'ContextWindow' });
export type ContextView = z.infer<typeof ContextView>;

/** A line of `GET /v1/admin/queues`; what is not known is `null`, never 0. */
export const QueueStatus = z
  .object({
    name: z.string(),
    ready: z.int().nullable(),
    unacked: z.int().nullable(),
    consumers: z.int().nullable(),
    paused: z.boolean().nullable(),
    oldestAgeSeconds: z.number().nullable(),
    deadLetters: z.int().nullable(),
  })
  .meta({ id: 'QueueStatus' });
export type QueueStatus = z.infer<typeof QueueStatus>;

/** A queue with what its consumers say of it. */
export const QueueView = QueueStatus.extend({
  unknown: z.boolean().meta({ description: 'true = it hears events, and no row of the pipeline describes it: nothing empties it' }),
  pausedSince: z.iso.datetime().nullable().meta({ description: 'Since when a consumer of it pauses; null = none pauses, or not known' }),
}).meta({ id: 'QueueView' });
export type QueueView = z.infer<typeof QueueView>;
