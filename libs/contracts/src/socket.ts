import { z } from 'zod';
import { IdempotencyKey, MessageView } from './http.js';
import { ConversationId, EndedConversationId, MessageId, UserId } from './ids.js';
import { type ProblemCode, problems } from './problems.js';
import { Level } from './scores.js';
import { Content } from './text.js';

/** Subprotocol of the WebSocket. */
export const SUBPROTOCOL = 'parley.v1';

/** Path of the WebSocket. */
export const SOCKET_PATH = '/v1/ws';

/** Why the server closes a socket. A client reconnects after 4001, 4008 and 4012, and after a connection that broke. */
export const closeCodes = {
  shuttingDown: 4001,
  slowConsumer: 4008,
  noPong: 4012,
  rateLimited: 4013,
  badFrame: 4400,
  badToken: 4401,
  forbiddenOrigin: 4403,
} as const;

const seq = z.int().nonnegative();
const time = z.iso.datetime({ offset: true });

/** Where a client stands in a conversation: it has every message up to `seq`. */
export const ResumePoint = z.strictObject({
  conversationId: ConversationId,
  seq,
  /** Also send again what was edited or deleted among the messages up to `seq` since then: `serverTime` of the last welcome or ping. */
  changedSince: time.optional(),
});
export type ResumePoint = z.infer<typeof ResumePoint>;

const ref = z.string().min(1).max(255);

/** Frames of a client. The first one is `hello`, within 5 s. */
export const ClientFrame = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('hello'), token: z.string().min(1).max(8_192), resume: z.array(ResumePoint).max(1_000).optional() }),
  z.strictObject({
    type: z.literal('send'),
    /** Comes back in the `ack` or the `error`. */
    ref,
    conversationId: ConversationId,
    content: Content,
    /** As in REST: the same one again is acknowledged as the first time. */
    clientMessageId: IdempotencyKey,
  }),
  z.strictObject({ type: z.literal('typing'), conversationId: ConversationId }),
  z.strictObject({ type: z.literal('receipt'), conversationId: ConversationId, deliveredSeq: seq.optional(), readSeq: seq.optional() }),
  z.strictObject({ type: z.literal('resume'), ...ResumePoint.shape }),
  z.strictObject({ type: z.literal('pong') }),
]);
export type ClientFrame = z.infer<typeof ClientFrame>;
export type HelloFrame = Extract<ClientFrame, { type: 'hello' }>;
export type SendFrame = Extract<ClientFrame, { type: 'send' }>;
export type ReceiptFrame = Extract<ClientFrame, { type: 'receipt' }>;

const onMessage = <Type extends string>(type: Type) =>
  z.object({ type: z.literal(type), conversationId: ConversationId, seq: z.int().positive(), message: MessageView });

/** Frames of the server. Clients ignore types and fields that they do not know. */
export const ServerFrame = z.discriminatedUnion('type', [
  z.object({ type: z.literal('welcome'), sessionId: z.uuid(), userId: UserId, pingMs: z.int().positive(), serverTime: time }),
  /** Everything after `fromSeq` up to `toSeq` has been sent; what follows is live. */
  z.object({ type: z.literal('resumed'), conversationId: ConversationId, fromSeq: seq, toSeq: seq }),
  onMessage('message.created'),
  onMessage('message.edited'),
  onMessage('message.deleted'),
  z.object({ type: z.literal('message.indexed'), messageId: MessageId, conversationId: ConversationId, seq: z.int().positive() }),
  z.object({ type: z.literal('ack'), ref, id: MessageId, seq: z.int().positive() }),
  z.object({ type: z.literal('receipt'), conversationId: ConversationId, userId: UserId, deliveredSeq: seq, readSeq: seq }),
  z.object({ type: z.literal('typing'), conversationId: ConversationId, userId: UserId }),
  z.object({ type: z.literal('presence'), userId: UserId, online: z.boolean() }),
  /** A conversation of this user ended and has its score. May come twice: a lower or equal `version` is old. */
  z.object({
    type: z.literal('score.updated'),
    userId: UserId,
    conversationId: EndedConversationId,
    scoreChange: z.int(),
    score: z.int().nonnegative(),
    level: Level,
    degraded: z.boolean(),
    version: z.int().positive(),
    updatedAt: time,
  }),
  /** `heads`: newest `seq` of the conversations that had messages since the last ping. */
  z.object({ type: z.literal('ping'), heads: z.record(ConversationId, seq).optional(), serverTime: time }),
  z.object({ type: z.literal('goaway'), reconnectInMs: z.int().nonnegative() }),
  z.object({
    type: z.literal('error'),
    code: z.enum(Object.keys(problems) as [ProblemCode, ...ProblemCode[]]),
    detail: z.string(),
    ref: ref.optional(),
    /** Of the `resume`, `typing` or `receipt` that it answers. */
    conversationId: ConversationId.optional(),
    retryAfterMs: z.int().nonnegative().optional(),
  }),
]);
export type ServerFrame = z.infer<typeof ServerFrame>;
export type ServerFrameType = ServerFrame['type'];
