import { z } from 'zod';
import { DocumentId } from './documents.js';
import { ConversationId, MessageId, UserId } from './ids.js';
import { Content, humanText, textProblem } from './text.js';

const time = z.iso.datetime({ offset: true }).meta({ examples: ['2026-01-31T09:30:00.000Z'] });

/** State of one pipeline stage. `skipped` = no app of this deployment consumes it. */
export const StageState = z.enum(['pending', 'done', 'failed', 'skipped']);
export type StageState = z.infer<typeof StageState>;

/** State of a message in each stage after its acknowledgement. */
export const PipelineState = z.object({ delivery: StageState, embedding: StageState, scoring: StageState }).meta({ id: 'PipelineState' });
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
    // The key itself is not repeated: the answer must not contain what the policy refuses.
    if (keyProblem !== undefined) return { path: [...path], message: `has a key that is refused: it ${keyProblem}` };
    const found = badTextIn(inner, [...path, key]);
    if (found !== undefined) return found;
  }
  return undefined;
};

const MAX_METADATA_BYTES = 4_096;

/** Free JSON that a client attaches to a message: an object of at most 5 levels and 4 KiB, whose keys and strings meet the text policy. */
export const Metadata = z.record(z.string().max(128), z.json()).superRefine((value, context) => {
  // In this order: each check bounds the cost of the next one.
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
    content: Content.meta({
      description: 'The text: 1-16,384 characters with something visible in it',
      examples: ['Shall we have coffee?'],
    }),
    clientMessageId: IdempotencyKey.optional().meta({
      description: 'Your own id of this message, new for each message: the same one again is answered as the first time',
    }),
    priority: z
      .enum(['normal', 'high'])
      .default('normal')
      .meta({ description: 'high: try to make it searchable by meaning before the answer (2 s at most)' }),
    metadata: Metadata.optional().meta({
      description: 'Anything of yours: at most 5 levels and 4,096 bytes of JSON',
      examples: [{ client: 'web' }],
    }),
  })
  .meta({ id: 'NewMessage', examples: [{ content: 'Shall we have coffee?' }] });
export type NewMessage = z.infer<typeof NewMessage>;

/** `PATCH /v1/messages/{id}`. */
export const EditedMessage = z
  .strictObject({ content: Content.meta({ description: 'The new text', examples: ['Shall we have tea?'] }) })
  .meta({ id: 'EditedMessage' });
export type EditedMessage = z.infer<typeof EditedMessage>;

/** A message as its readers see it. `seq` is 1, 2, 3, ... per conversation without gaps. */
export const MessageView = z
  .object({
    id: MessageId,
    conversationId: ConversationId,
    seq: z
      .int()
      .positive()
      .meta({ description: 'Its place in the conversation: 1, 2, 3, ... without gaps', examples: [1] }),
    senderId: UserId,
    content: z.string().meta({ description: 'Empty once it is deleted' }),
    metadata: z.record(z.string(), z.json()).optional().meta({ description: 'As its sender attached it' }),
    version: z
      .int()
      .positive()
      .meta({ description: '1, raised by each edit and by the deletion; what `If-Match` compares', examples: [1] }),
    createdAt: time.meta({ description: 'When it was accepted' }),
    editedAt: time.optional().meta({ description: 'When it was last edited' }),
    deletedAt: time.optional().meta({ description: 'When it was deleted' }),
    pipeline: PipelineState.meta({ description: 'How far each stage behind the acknowledgement is' }),
  })
  .meta({ id: 'Message' });
export type MessageView = z.infer<typeof MessageView>;

/** `POST /v1/conversations`. The caller is always a member, listed or not. */
export const NewConversation = z
  .strictObject({
    title: humanText({ max: 200 })
      .optional()
      .meta({ description: 'Up to 200 characters', examples: ['Lunch'] }),
    memberIds: z
      .array(UserId)
      .max(1_000)
      .meta({ description: 'Who is in it beside you', examples: [['bob']] }),
  })
  .meta({ id: 'NewConversation', examples: [{ title: 'Lunch', memberIds: ['bob'] }] });
export type NewConversation = z.infer<typeof NewConversation>;

/** A conversation as one of its members sees it. */
export const ConversationView = z
  .object({
    id: ConversationId,
    title: z.string().nullable().meta({ description: 'null: it has none' }),
    memberIds: z.array(UserId).meta({ description: 'All members, you included' }),
    headSeq: z.int().nonnegative().meta({ description: '`seq` of the newest message; 0: there is none' }),
    createdAt: time,
  })
  .meta({ id: 'Conversation' });
export type ConversationView = z.infer<typeof ConversationView>;

/** An item of `GET /v1/conversations`. */
export const ConversationSummary = z
  .object({
    id: ConversationId,
    title: z.string().nullable().meta({ description: 'null: it has none' }),
    memberIds: z.array(UserId).meta({ description: 'All members, you included' }),
    headSeq: z.int().nonnegative().meta({ description: '`seq` of the newest message; 0: there is none' }),
    readSeq: z.int().nonnegative().meta({ description: 'You have read everything up to this `seq`' }),
    unread: z
      .int()
      .min(0)
      .max(1_000)
      .meta({ description: 'Messages after `readSeq` of others that are not deleted, among the newest 2,000; 1,000: that many or more' }),
    lastMessage: MessageView.nullable().meta({ description: 'null: there is none yet' }),
  })
  .meta({ id: 'ConversationSummary' });
export type ConversationSummary = z.infer<typeof ConversationSummary>;

/** Answer of `GET /v1/conversations`. */
export const ConversationList = z
  .object({
    items: z.array(ConversationSummary).meta({ description: 'Newest activity first' }),
    nextCursor: z.string().nullable().meta({ description: '`cursor` of the next page; null: this was the last' }),
  })
  .meta({ id: 'ConversationList' });
export type ConversationList = z.infer<typeof ConversationList>;

/** `PUT /v1/conversations/{id}/receipts`; each number only ever rises. */
export const Receipt = z
  .strictObject({
    deliveredSeq: z
      .int()
      .nonnegative()
      .optional()
      .meta({ description: 'You have received everything up to this `seq`', examples: [2] }),
    readSeq: z
      .int()
      .nonnegative()
      .optional()
      .meta({ description: 'You have read everything up to this `seq`', examples: [1] }),
  })
  .refine((receipt) => receipt.deliveredSeq !== undefined || receipt.readSeq !== undefined, 'must have deliveredSeq or readSeq')
  .meta({ id: 'Receipt', examples: [{ readSeq: 1 }] });
export type Receipt = z.infer<typeof Receipt>;

const limit = (max: number, fallback: number) =>
  z.coerce
    .number()
    .int()
    .min(1)
    .max(max)
    .default(fallback)
    .meta({ description: `At most this many, ${max} or fewer` });
const seqParam = (description: string) => z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional().meta({ description });

/** `GET /v1/conversations`: `cursor` is the `nextCursor` of the page before. */
export const ConversationPage = z.strictObject({
  cursor: z.string().max(200).optional().meta({ description: '`nextCursor` of the page before' }),
  limit: limit(100, 50),
});
export type ConversationPage = z.infer<typeof ConversationPage>;

/** `GET /v1/presence`. */
export const PresenceQuery = z.strictObject({
  userIds: z
    .string()
    .regex(/^[A-Za-z0-9_.:-]{1,64}(,[A-Za-z0-9_.:-]{1,64}){0,99}$/, 'must be 1-100 user ids, separated by commas')
    .meta({ description: '1-100 user ids, separated by commas', examples: ['alice,bob'] }),
});
export type PresenceQuery = z.infer<typeof PresenceQuery>;

/** Answer of `GET /v1/presence`: one item for each user, in the order of the question. */
export const PresenceList = z
  .object({
    items: z.array(
      z.object({
        userId: UserId,
        online: z.boolean().meta({ description: 'Has a socket open, or had one a second ago' }),
        lastSeenAt: time.nullable().meta({ description: 'When the last of its sockets closed, within 30 days; null: not known' }),
      }),
    ),
  })
  .meta({ id: 'PresenceList' });
export type PresenceList = z.infer<typeof PresenceList>;

/** `GET /v1/conversations/{id}/messages`: after or before a `seq`, never both; without either, the newest. */
export const MessagePage = z
  .strictObject({
    afterSeq: seqParam('Only messages after this `seq`, the oldest of them first'),
    beforeSeq: seqParam('Only messages before this `seq`, the newest of them'),
    limit: limit(200, 50),
  })
  .refine((page) => page.afterSeq === undefined || page.beforeSeq === undefined, 'afterSeq and beforeSeq exclude each other');
export type MessagePage = z.infer<typeof MessagePage>;

/** Answer of `GET /v1/conversations/{id}/messages`. */
export const MessageList = z
  .object({
    items: z.array(MessageView).meta({ description: 'Ascending by `seq`' }),
    headSeq: z.int().nonnegative().meta({ description: '`seq` of the newest message; 0: there is none' }),
  })
  .meta({ id: 'MessageList' });
export type MessageList = z.infer<typeof MessageList>;

// Sent as `true` or `false`: for a client it is a boolean.
const flag = (description: string) => z.stringbool().default(false).meta({ description, type: 'boolean', default: false });

/** `GET /v1/search`. */
export const SearchQuery = z.strictObject({
  q: humanText({ max: 1_000 }).meta({ description: 'What to look for: words, or a sentence', examples: ['coffee'] }),
  mode: z
    .enum(['hybrid', 'dense', 'sparse'])
    .default('hybrid')
    .meta({ description: 'dense: by meaning; sparse: by words; hybrid: both, fused' }),
  conversationId: ConversationId.optional().meta({ description: 'Only in this conversation' }),
  senderId: UserId.optional().meta({ description: 'Only what this user wrote' }),
  from: time.optional().meta({ description: 'Only what was written at this time or later' }),
  to: time.optional().meta({ description: 'Only what was written at this time or earlier' }),
  limit: limit(50, 20),
  rerank: flag('Read the best 50 hits together with the query and order them anew'),
  explain: flag('Show the scores behind each place'),
});
export type SearchQuery = z.infer<typeof SearchQuery>;

/** Parts that a search can leave out. `visibility`: only the first 10,000 of the reader's conversations were searched. */
export const SearchPart = z.enum(['dense', 'sparse', 'rerank', 'visibility']);
export type SearchPart = z.infer<typeof SearchPart>;

/** What a hit shows: a message, or the passage of a document that matches, in the shape of one. */
export const FoundMessage = MessageView.extend({
  seq: z
    .int()
    .nonnegative()
    .meta({ description: 'Its place in the conversation: 1, 2, 3, ... without gaps; 0: a passage of a document', examples: [1] }),
}).meta({ id: 'FoundMessage' });
export type FoundMessage = z.infer<typeof FoundMessage>;

/** One search hit: `ranks` are 1-based places per stage, `score` is what the list is ordered by. */
export const SearchHit = z
  .object({
    kind: z.enum(['message', 'document']).meta({ description: 'document: `message` is its best passage, with the id of the document' }),
    message: FoundMessage,
    document: z
      .object({
        id: DocumentId,
        title: z.string(),
        part: z.int().positive().meta({ description: 'The part that the passage is from: 1, 2, 3, ...' }),
      })
      .optional()
      .meta({ description: 'The document, for a hit of that kind' }),
    score: z.number().meta({ description: 'What the list is ordered by; comparable within one answer only' }),
    ranks: z.object({
      dense: z.int().positive().optional(),
      sparse: z.int().positive().optional(),
      rrf: z.int().positive(),
      rerank: z.int().positive().optional(),
    }),
    highlight: z.string().meta({ description: 'An excerpt as safe HTML, with <mark> around the words that match' }),
    explain: z
      .object({
        denseScore: z.number().optional(),
        sparseScore: z.number().optional(),
        rrfScore: z.number(),
        rerankScore: z.number().optional(),
      })
      .optional(),
  })
  .meta({ id: 'SearchHit' });
export type SearchHit = z.infer<typeof SearchHit>;

/** Answer of `GET /v1/search`; `degraded` names the parts that were left out. */
export const SearchResults = z
  .object({
    items: z.array(SearchHit).meta({ description: 'Best first' }),
    degraded: z.array(SearchPart).meta({ description: 'Parts that were left out because they failed; [] = none' }),
    tookMs: z.number().meta({ description: 'Milliseconds that the search took' }),
  })
  .meta({ id: 'SearchResults' });
export type SearchResults = z.infer<typeof SearchResults>;

/** `POST /v1/conversations/{id}/context`: the query of an LLM agent and its token budget. */
export const ContextRequest = z
  .strictObject({
    query: humanText({ max: 1_000 }).meta({ description: 'What the agent is about to answer', examples: ['When do we meet for coffee?'] }),
    maxTokens: z
      .int()
      .min(1)
      .max(200_000)
      .meta({ description: 'Room for the window, in tokens of o200k_base', examples: [2_000] }),
    recent: z
      .int()
      .min(0)
      .max(200)
      .default(20)
      .meta({ description: 'Newest messages to include, as far as their share of the budget goes' }),
    recentShare: z
      .number()
      .min(0)
      .max(1)
      .default(0.6)
      .meta({ description: 'Share of `maxTokens` that the newest messages may take before what fits the query has had its turn' }),
    semanticK: z.int().min(0).max(50).default(10).meta({ description: 'Messages to look for by the query' }),
    minSeq: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .optional()
      .meta({ description: 'The newest message that you know of: everything up to it must have been in view', examples: [1] }),
  })
  .meta({ id: 'ContextRequest', examples: [{ query: 'When do we meet for coffee?', maxTokens: 2_000 }] });
export type ContextRequest = z.infer<typeof ContextRequest>;

/** Answer of the context window: messages ascending by `seq`, each with the reason why it is in it. */
export const ContextView = z
  .object({
    items: z.array(z.object({ message: MessageView, why: z.enum(['recent', 'semantic']) })).meta({ description: 'Ascending by `seq`' }),
    tokens: z.int().nonnegative().meta({ description: 'What the items take, 4 for each message beside its text' }),
    indexedThroughSeq: z.int().nonnegative().meta({ description: 'Every message up to this `seq` was open to the search by meaning' }),
    degraded: z.array(SearchPart).meta({ description: 'Parts that were left out because they failed; [] = none' }),
  })
  .meta({ id: 'ContextWindow' });
export type ContextView = z.infer<typeof ContextView>;

/** An item of `GET /v1/admin/queues`; unknown values are `null`, never 0. */
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

/** A queue with the state of its consumers. */
export const QueueView = QueueStatus.extend({
  unknown: z.boolean().meta({ description: 'true = it hears events, and no row of the pipeline describes it: nothing empties it' }),
  pausedSince: z.iso.datetime().nullable().meta({ description: 'Since when a consumer of it pauses; null = none pauses, or not known' }),
}).meta({ id: 'QueueView' });
export type QueueView = z.infer<typeof QueueView>;
