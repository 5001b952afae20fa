import type { Message, Problem } from './rest-types.js';

export type { Message } from './rest-types.js';

/** Subprotocol of the WebSocket. */
export const SUBPROTOCOL = 'parley.v1';

/** Why the server closes a socket. */
export const closeCodes = {
  shuttingDown: 4001,
  slowConsumer: 4008,
  noPong: 4012,
  rateLimited: 4013,
  badFrame: 4400,
  badToken: 4401,
  forbiddenOrigin: 4403,
} as const;

/** A client's place in a conversation: it has every message up to `seq`. */
export interface ResumePoint {
  readonly conversationId: string;
  readonly seq: number;
  /** Asks for what was edited or deleted among the messages up to `seq` since this moment (RFC 3339). */
  readonly changedSince?: string | undefined;
}

/** Frames that the client sends. */
export type ClientFrame =
  | { readonly type: 'hello'; readonly token: string; readonly resume?: ResumePoint[] | undefined }
  | SendFrame
  | { readonly type: 'typing'; readonly conversationId: string }
  | ReceiptFrame
  | ({ readonly type: 'resume' } & ResumePoint)
  | { readonly type: 'pong' };

export interface SendFrame {
  readonly type: 'send';
  readonly ref: string;
  readonly conversationId: string;
  readonly content: string;
  readonly clientMessageId: string;
}

export interface ReceiptFrame {
  readonly type: 'receipt';
  readonly conversationId: string;
  readonly deliveredSeq?: number | undefined;
  readonly readSeq?: number | undefined;
}

/** What the server refuses with; what each asks of a client is in the table of errors of docs/reference/api.md. */
export type ErrorCode = Problem['code'];

/** Carries a message in its newest state. */
export interface MessageFrame {
  readonly type: 'message.created' | 'message.edited' | 'message.deleted';
  readonly conversationId: string;
  readonly seq: number;
  readonly message: Message;
}

export interface WelcomeFrame {
  readonly type: 'welcome';
  readonly sessionId: string;
  readonly userId: string;
  readonly pingMs: number;
  readonly serverTime: string;
}

/** Everything after `fromSeq` up to `toSeq` has been sent. */
export interface ResumedFrame {
  readonly type: 'resumed';
  readonly conversationId: string;
  readonly fromSeq: number;
  readonly toSeq: number;
}

export interface IndexedFrame {
  readonly type: 'message.indexed';
  readonly messageId: string;
  readonly conversationId: string;
  readonly seq: number;
}

export interface AckFrame {
  readonly type: 'ack';
  readonly ref: string;
  /** Of the stored message. */
  readonly id: string;
  readonly seq: number;
}

/** How far a member has received and read; the numbers only rise. */
export interface ReceiptOfMember {
  readonly type: 'receipt';
  readonly conversationId: string;
  readonly userId: string;
  readonly deliveredSeq: number;
  readonly readSeq: number;
}

export interface TypingFrame {
  readonly type: 'typing';
  readonly conversationId: string;
  readonly userId: string;
}

export interface PresenceFrame {
  readonly type: 'presence';
  readonly userId: string;
  readonly online: boolean;
}

/** A conversation of the user ended and has its score. May come twice: a `version` that is not higher than the last one is old. */
export interface ScoreFrame {
  readonly type: 'score.updated';
  readonly userId: string;
  /** As it was ended: a conversation of Parley, or the id that another system gave it. */
  readonly conversationId: string;
  readonly scoreChange: number;
  readonly score: number;
  readonly level: 'stranger' | 'acquaintance' | 'friend';
  /** An analysis failed; the score will be calculated again. */
  readonly degraded: boolean;
  /** Rises with each change. */
  readonly version: number;
  readonly updatedAt: string;
}

/** `heads`: newest `seq` of the conversations that had messages since the last ping. */
export interface PingFrame {
  readonly type: 'ping';
  readonly heads?: Record<string, number> | undefined;
  readonly serverTime: string;
}

export interface ErrorFrame {
  readonly type: 'error';
  readonly code: ErrorCode;
  readonly detail: string;
  /** Of the `send` that it answers. */
  readonly ref?: string | undefined;
  /** Of the `resume`, `typing` or `receipt` that it answers. */
  readonly conversationId?: string | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** Frames that the server sends. Types and fields that are not listed are ignored. */
export type ServerFrame =
  | WelcomeFrame
  | ResumedFrame
  | MessageFrame
  | IndexedFrame
  | AckFrame
  | ReceiptOfMember
  | TypingFrame
  | PresenceFrame
  | ScoreFrame
  | PingFrame
  | { readonly type: 'goaway'; readonly reconnectInMs: number }
  | ErrorFrame;

const isText = (value: unknown): boolean => typeof value === 'string';
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isSeq = (value: unknown): boolean => isCount(value) && value !== 0;
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

type Fields = Record<string, unknown>;
const isOnMessage = ({ conversationId, seq, message }: Fields): boolean =>
  isText(conversationId) && isSeq(seq) && isRecord(message) && isText(message['id']) && isSeq(message['version']);

/** What the client itself relies on of each frame; the rest is passed on as it came. */
const checks: Record<ServerFrame['type'], (frame: Fields) => boolean> = {
  welcome: ({ userId, pingMs, serverTime }) => isText(userId) && isSeq(pingMs) && isText(serverTime),
  resumed: ({ conversationId, fromSeq, toSeq }) => isText(conversationId) && isCount(fromSeq) && isCount(toSeq),
  'message.created': isOnMessage,
  'message.edited': isOnMessage,
  'message.deleted': isOnMessage,
  'message.indexed': ({ messageId, conversationId, seq }) => isText(messageId) && isText(conversationId) && isSeq(seq),
  ack: ({ ref, id, seq }) => isText(ref) && isText(id) && isSeq(seq),
  receipt: ({ conversationId, userId, deliveredSeq, readSeq }) =>
    isText(conversationId) && isText(userId) && isCount(deliveredSeq) && isCount(readSeq),
  typing: ({ conversationId, userId }) => isText(conversationId) && isText(userId),
  presence: ({ userId, online }) => isText(userId) && typeof online === 'boolean',
  'score.updated': ({ userId, conversationId, scoreChange, score, level, version }) =>
    isText(userId) && isText(conversationId) && Number.isSafeInteger(scoreChange) && isCount(score) && isText(level) && isSeq(version),
  ping: ({ heads, serverTime }) => isText(serverTime) && (heads === undefined || (isRecord(heads) && Object.values(heads).every(isCount))),
  goaway: ({ reconnectInMs }) => isCount(reconnectInMs),
  error: ({ code, detail }) => isText(code) && isText(detail),
};

/** A frame of the server; undefined when it is of an unknown type or not what it says, which clients ignore. */
export function parseServerFrame(text: unknown): ServerFrame | undefined {
  if (typeof text !== 'string') return undefined;
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(frame) || typeof frame['type'] !== 'string' || !Object.hasOwn(checks, frame['type'])) return undefined;
  return checks[frame['type'] as ServerFrame['type']](frame) ? (frame as unknown as ServerFrame) : undefined;
}
