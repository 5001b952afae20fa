import { z } from 'zod';
import { ConversationId, MessageId, UserId } from './ids.js';

// Signals travel from delivery to realtime, and between realtime processes. Unlike events they may be lost: what they say stands in Postgres,
// and a process that may have missed some reads it there.

const seq = z.int().positive();
const watermark = z.int().nonnegative();
/** `traceparent` of what is behind a signal, when that trace is sampled. */
const trace = z.string().max(64).optional();

/** What the sockets of a conversation's members are told. */
export const ConversationSignal = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('message'),
    change: z.enum(['created', 'edited', 'deleted']),
    messageId: MessageId,
    seq,
    version: z.int().positive(),
    /** Version of the conversation's members when it was sent: a process that knows an older one asks who is a member before it delivers. */
    membersVersion: z.int().nonnegative(),
    /** When the change was committed, in milliseconds since 1970. */
    atMs: z.int().nonnegative(),
    /** The server frame (contracts/socket.ts) as JSON text, made once for all sockets. */
    frame: z.string(),
    trace,
  }),
  z.object({ type: z.literal('members'), membersVersion: z.int().nonnegative() }),
  z.object({ type: z.literal('receipt'), userId: UserId, deliveredSeq: watermark, readSeq: watermark }),
  z.object({ type: z.literal('typing'), userId: UserId }),
  z.object({ type: z.literal('presence'), userId: UserId, online: z.boolean() }),
]);
export type ConversationSignal = z.infer<typeof ConversationSignal>;
export type MessageSignal = Extract<ConversationSignal, { type: 'message' }>;

/** What the sockets of one user are told. */
export const UserSignal = z.discriminatedUnion('type', [
  /** The user became a member when the newest message was `headSeq`. */
  z.object({ type: z.literal('joined'), conversationId: ConversationId, headSeq: watermark }),
  /** A server frame for this user alone, as JSON text. */
  z.object({ type: z.literal('frame'), name: z.enum(['message.indexed', 'receipt', 'score.updated']), frame: z.string(), trace }),
]);
export type UserSignal = z.infer<typeof UserSignal>;
