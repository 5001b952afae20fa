import type { MessageEvent } from '#lib/contracts/events';
import type { ConversationSignal, MessageSignal, UserSignal } from '#lib/contracts/live';
import type { ServerFrame } from '#lib/contracts/socket';
import { viewOf } from '#lib/conversations/message-view';
import type { ConversationPost, UserPost } from '#lib/live/fan-out/fan-out.port';
import type { CurrentMessage, CurrentScore, Members, Membership } from './current-conversations.port.js';

/** What is sent for one event: to the sockets of a conversation, or of one user. */
export type Post = ConversationPost | UserPost;

const changes = { 'message.created': 'created', 'message.edited': 'edited', 'message.deleted': 'deleted' } as const;

/** A change of a message, with the newest state of the message: what it was at the time of the event is of no use to a reader. */
export const messagePost = (type: MessageEvent['type'], message: CurrentMessage, trace?: string): Post => {
  const { id: messageId, conversationId, seq, version, membersVersion } = message;
  // A deletion makes an earlier edit one, too: nothing of a deleted message is shown as edited.
  const isGone = message.deletedAt !== undefined && type === 'message.edited';
  const frameType = isGone ? 'message.deleted' : type;
  const frame = frameText({ type: frameType, conversationId, seq, message: viewOf(message) });
  const atMs = changedAt(frameType, message).getTime();
  const facts = { change: changes[frameType], messageId, seq, version, membersVersion, atMs };
  const signal: MessageSignal = { type: 'message', ...facts, frame, ...(trace === undefined ? {} : { trace }) };
  return toConversation(conversationId, signal);
};

const changedAt = (type: MessageEvent['type'], { createdAt, editedAt, deletedAt }: CurrentMessage): Date => {
  if (type === 'message.created') return createdAt;
  return deletedAt ?? editedAt ?? createdAt;
};

/** Tells the sender that its message can be found by meaning. */
export const indexedPost = ({ id: messageId, conversationId, seq, senderId }: CurrentMessage, trace?: string): Post =>
  toUser(senderId, {
    type: 'frame',
    name: 'message.indexed',
    frame: frameText({ type: 'message.indexed', messageId, conversationId, seq }),
    ...(trace === undefined ? {} : { trace }),
  });

/** The members of a conversation changed. */
export const membersPost = ({ conversationId, membersVersion }: Pick<Membership, 'conversationId' | 'membersVersion'>): Post =>
  toConversation(conversationId, { type: 'members', membersVersion });

/** These users became members when the newest message was `headSeq`. */
export const joinedPosts = ({ conversationId, headSeq, userIds }: Pick<Members, 'conversationId' | 'headSeq' | 'userIds'>): Post[] =>
  userIds.map((userId) => toUser(userId, { type: 'joined', conversationId, headSeq }));

/** What a member has received and read: to all members, in a large conversation to its own sockets only. */
export const receiptPost = ({ conversationId, userId, deliveredSeq, readSeq, isLarge }: Membership): Post => {
  const facts = { type: 'receipt', userId, deliveredSeq, readSeq } as const;
  if (!isLarge) return toConversation(conversationId, facts);
  return toUser(userId, { type: 'frame', name: 'receipt', frame: frameText({ ...facts, conversationId }) });
};

/** Tells a user what the end of a conversation did to its score. */
export const scorePost = ({ endId: _endId, ...facts }: CurrentScore, trace?: string): Post =>
  toUser(facts.userId, {
    type: 'frame',
    name: 'score.updated',
    frame: frameText({ type: 'score.updated', ...facts }),
    ...(trace === undefined ? {} : { trace }),
  });

const frameText = (frame: ServerFrame): string => JSON.stringify(frame);
const toConversation = (conversationId: string, signal: ConversationSignal): ConversationPost => ({ conversationId, signals: [signal] });
const toUser = (userId: string, signal: UserSignal): UserPost => ({ userId, signals: [signal] });

/** One post per conversation and per user, its signals in the order of `posts`: a topic is published to once. */
export const grouped = (posts: readonly Post[]): Post[] => {
  const conversations = new Map<string, ConversationSignal[]>();
  const users = new Map<string, UserSignal[]>();
  for (const post of posts) {
    if ('conversationId' in post) append(conversations, post.conversationId, post.signals);
    else append(users, post.userId, post.signals);
  }
  return [
    ...[...conversations].map(([conversationId, signals]) => ({ conversationId, signals })),
    ...[...users].map(([userId, signals]) => ({ userId, signals })),
  ];
};

const append = <T>(all: Map<string, T[]>, key: string, more: readonly T[]): void => {
  const known = all.get(key);
  if (known === undefined) all.set(key, [...more]);
  else known.push(...more);
};
