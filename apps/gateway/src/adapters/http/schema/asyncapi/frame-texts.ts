import type { ClientFrame, closeCodes, ServerFrame, ServerFrameType } from '#lib/contracts/socket';

/** What the documents say of a frame beside its schema. */
export interface FrameText<Frame> {
  readonly title: string;
  readonly summary: string;
  readonly example: Frame;
}

/** A frame of the client, and what comes back. */
interface ClientFrameText<Frame> extends FrameText<Frame> {
  /** Frames that answer it; none: it is not answered. */
  readonly replies: readonly ServerFrameType[];
  readonly answer: string;
}

const conversationId = '0199a2f0-7d1c-7000-8000-000000000001';
const id = '0199a2f0-8a30-7000-8000-000000000002';
const serverTime = '2026-01-31T09:30:00.000Z';
const message = {
  id,
  conversationId,
  seq: 1,
  senderId: 'alice',
  content: 'Shall we have coffee?',
  version: 1,
  createdAt: serverTime,
  pipeline: { delivery: 'done', embedding: 'pending', scoring: 'pending' },
} as const;

/** Every frame of the client: AsyncAPI and docs/reference/websocket.md show it. */
export const clientFrameTexts: { readonly [Type in ClientFrame['type']]: ClientFrameText<Extract<ClientFrame, { type: Type }>> } = {
  hello: {
    title: 'Hello',
    summary: 'The first frame, within 5 s: who you are, and how far you are in the conversations that you know.',
    replies: ['welcome'],
    answer: '`welcome`, or the socket is closed',
    example: {
      type: 'hello',
      token: 'eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl',
      resume: [{ conversationId, seq: 12, changedSince: serverTime }],
    },
  },
  send: {
    title: 'Send a message',
    summary: 'As `POST /v1/conversations/{id}/messages`; the same `clientMessageId` again is acknowledged as the first time.',
    replies: ['ack', 'error'],
    answer: '`ack` or `error` with the same `ref`, within 5.5 s; sends of one socket are stored in their order',
    example: { type: 'send', ref: '1', conversationId, content: 'Shall we have coffee?', clientMessageId: '6f1c6e2e-1' },
  },
  typing: {
    title: 'Typing',
    summary: 'The user is typing.',
    replies: [],
    answer: 'none; at most one every 2 s is passed on',
    example: { type: 'typing', conversationId },
  },
  receipt: {
    title: 'Receipt',
    summary: 'The user has received and read everything up to these `seq`.',
    replies: [],
    answer: 'none; merged and recorded every 200 ms, only ever raised; `error` where you are no member',
    example: { type: 'receipt', conversationId, deliveredSeq: 12, readSeq: 11 },
  },
  resume: {
    title: 'Resume a conversation',
    summary: 'What is after `seq`, and with `changedSince` what was edited or deleted since among the messages before it.',
    replies: ['resumed', 'error'],
    answer: 'the messages after `seq`, then `resumed`; or `error`',
    example: { type: 'resume', conversationId, seq: 12 },
  },
  pong: { title: 'Pong', summary: 'Answers a `ping`, within 10 s.', replies: [], answer: 'none', example: { type: 'pong' } },
};

/** Every frame of the server. */
export const serverFrameTexts: { readonly [Type in ServerFrameType]: FrameText<Extract<ServerFrame, { type: Type }>> } = {
  welcome: {
    title: 'Welcome',
    summary: 'The token is valid; a `ping` comes every `pingMs`.',
    example: { type: 'welcome', sessionId: '0199a2f0-6c00-7000-8000-000000000006', userId: 'alice', pingMs: 25_000, serverTime },
  },
  resumed: {
    title: 'Resumed',
    summary: 'Everything after `fromSeq` up to `toSeq` has been sent; what follows is live.',
    example: { type: 'resumed', conversationId, fromSeq: 12, toSeq: 14 },
  },
  'message.created': {
    title: 'Message created',
    summary: 'A new message; while messages are caught up with, one in its newest state, whatever happened to it since.',
    example: { type: 'message.created', conversationId, seq: 1, message },
  },
  'message.edited': {
    title: 'Message edited',
    summary: 'A newer version of a message that you have: the higher `message.version` wins.',
    example: {
      type: 'message.edited',
      conversationId,
      seq: 1,
      message: { ...message, content: 'Shall we have tea?', version: 2, editedAt: '2026-01-31T09:31:00.000Z' },
    },
  },
  'message.deleted': {
    title: 'Message deleted',
    summary: 'A message that you have is deleted: its content is empty now.',
    example: {
      type: 'message.deleted',
      conversationId,
      seq: 1,
      message: { ...message, content: '', version: 3, deletedAt: '2026-01-31T09:32:00.000Z' },
    },
  },
  'message.indexed': {
    title: 'Message indexed',
    summary: 'A message that you sent can be found by meaning.',
    example: { type: 'message.indexed', messageId: id, conversationId, seq: 1 },
  },
  ack: {
    title: 'Acknowledgement',
    summary: 'The message of a `send` is stored: its id and its place.',
    example: { type: 'ack', ref: '1', id, seq: 1 },
  },
  receipt: {
    title: 'Receipt of a member',
    summary: 'How far a member has received and read; both numbers only rise.',
    example: { type: 'receipt', conversationId, userId: 'bob', deliveredSeq: 12, readSeq: 11 },
  },
  typing: { title: 'A member is typing', summary: 'Another member is typing.', example: { type: 'typing', conversationId, userId: 'bob' } },
  presence: {
    title: 'Presence',
    summary: 'A user in a conversation with you came online or went offline.',
    example: { type: 'presence', userId: 'bob', online: true },
  },
  'score.updated': {
    title: 'Score updated',
    summary:
      'What the end of a conversation did to your score. May come twice or, after a lost connection, not at all: a `version` that is not higher than the last one is old.',
    example: {
      type: 'score.updated',
      userId: 'alice',
      conversationId,
      scoreChange: 12,
      score: 132,
      level: 'acquaintance',
      degraded: false,
      version: 7,
      updatedAt: serverTime,
    },
  },
  ping: {
    title: 'Ping',
    summary: 'Answer with `pong`. `heads`: the newest `seq` of conversations that had messages since the last one.',
    example: { type: 'ping', heads: { [conversationId]: 14 }, serverTime },
  },
  goaway: {
    title: 'Going away',
    summary: 'Announces a restart: the socket is closed with 4001 after `reconnectInMs`; connect again when it is, and resume.',
    example: { type: 'goaway', reconnectInMs: 1_500 },
  },
  error: {
    title: 'Error',
    summary: 'Refuses the frame that `ref` or `conversationId` names; `code` is a problem code of REST.',
    example: { type: 'error', code: 'rate-limited', detail: 'Your quota is used up.', ref: '1', retryAfterMs: 1_000 },
  },
};

/** What each close code means, and what a client does. */
export const closeTexts: Readonly<Record<keyof typeof closeCodes, { readonly means: string; readonly advice: string }>> = {
  shuttingDown: { means: 'the server is shutting down', advice: 'reconnect and resume' },
  slowConsumer: { means: 'you read too slowly', advice: 'reconnect and resume' },
  noPong: { means: 'no `pong` came in time', advice: 'reconnect and resume' },
  rateLimited: {
    means: 'too many frames, or too many sockets of this user',
    advice: 'send less, close others; wait before you reconnect',
  },
  badFrame: { means: 'not a frame of this protocol; the reason says which rule', advice: 'mend the client' },
  badToken: {
    means: 'no `hello` in time, or a token that is not valid; the reason says whether it has expired, also while the socket was open',
    advice: 'get a new token',
  },
  forbiddenOrigin: { means: 'pages of this origin may not connect', advice: 'an operator adds it to `CORS_ORIGINS`' },
};
