import { type MessageCreated, newEvent } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import type { Span } from '#lib/runtime/trace/span';
import { bodyHash } from './body-hash.js';
import type { Message, MessageDraft, StoredMessage } from './message.js';

/** A draft with everything that is known before it has its `seq`: ids, time, and the hash that its key stands for. */
export interface PreparedMessage {
  readonly draft: MessageDraft;
  readonly id: string;
  readonly eventId: string;
  readonly createdAt: Date;
  /** Only with a key. */
  readonly bodyHash: string | undefined;
  /** The span of its wait for a commit and of the commit; absent while it is in no trace. */
  span?: Span | undefined;
}

/** Gives a draft its ids and its time. Neither orders anything: `seq` orders a conversation, and an id holds the time of this process' clock. */
export const prepare = (draft: MessageDraft, createdAt: Date): PreparedMessage => ({
  draft,
  id: newId(),
  eventId: newId(),
  createdAt,
  bodyHash: draft.key === undefined ? undefined : bodyHash(draft),
});

/** The message as it is stored with this `seq`. */
export const messageOf = ({ draft, id, createdAt }: PreparedMessage, seq: number): Message => ({
  id,
  conversationId: draft.conversationId,
  seq,
  senderId: draft.senderId,
  content: draft.content,
  metadata: draft.metadata,
  version: 1,
  createdAt,
});

/** The `message.created` of the message with this `seq`: the one definition that outbox rows and the fast path share. */
export const announcementOf = ({ draft, id, eventId, createdAt }: PreparedMessage, seq: number): MessageCreated => {
  const { conversationId, senderId, content } = draft;
  const facts = { messageId: id, conversationId, seq, senderId, version: 1, createdAt: createdAt.toISOString(), content };
  return newEvent('message.created', facts, { eventId, occurredAt: createdAt });
};

/** The verdict of a send that was stored. */
export const stored = (prepared: PreparedMessage, seq: number): StoredMessage => ({
  replayed: false,
  message: messageOf(prepared, seq),
  event: announcementOf(prepared, seq),
});
