import { z } from 'zod';
import { ConversationId, MessageId, newId, UserId } from './ids.js';
import { StoredContent } from './text.js';

const time = z.iso.datetime({ offset: true });
/** Version of a message, a Postgres `int`: an unreachable number must not outrank every real version. */
const version = z.int().positive().max(2_147_483_647);
/** Position in a conversation, at most 2^53 - 1 as `int` says: beyond it JSON numbers are no longer exact. */
const seq = z.int().positive();

/** Fields of all events about a message. `version` starts at 1 and rises with each edit and with the deletion. */
const MessageFacts = z.object({
  messageId: MessageId,
  conversationId: ConversationId,
  seq,
  senderId: UserId,
  version,
  createdAt: time,
});

const isAboutOneConversation = (envelope: object): boolean => {
  const { conversationId, data } = envelope as { conversationId: string; data: { conversationId: string } };
  return conversationId === data.conversationId;
};

const event = <Type extends string, Data extends z.ZodType<{ readonly conversationId: string }>>(type: Type, data: Data) =>
  z
    .object({
      /** UUIDv7; the same event keeps its id through every retry and replay, so consumers can recognise it. */
      eventId: z.uuid(),
      type: z.literal(type),
      /** Version of this event's schema. Consumers ignore fields they do not know; a breaking change gets a new number. */
      version: z.literal(1),
      occurredAt: time,
      conversationId: ConversationId,
      data,
    })
    // Logs and traces read the envelope, consumers the data: both must name the same conversation.
    .refine(isAboutOneConversation, { path: ['data', 'conversationId'], error: 'must be the conversation of the envelope' });

/** A message is committed. Carries the text, so that consumers need not ask Postgres for it. */
export const MessageCreated = event('message.created', MessageFacts.extend({ content: StoredContent }));
export type MessageCreated = z.infer<typeof MessageCreated>;

/** A message has a new text; `version` tells which text is newer. */
export const MessageEdited = event('message.edited', MessageFacts.extend({ content: StoredContent, editedAt: time }));
export type MessageEdited = z.infer<typeof MessageEdited>;

/** A message is deleted; its vectors and index entries must follow. */
export const MessageDeleted = event('message.deleted', MessageFacts.extend({ deletedAt: time }));
export type MessageDeleted = z.infer<typeof MessageDeleted>;

/**
 * A command to the indexer: make the vectors of this message anew from its current text (`null` = deleted), even if this version is indexed.
 * Separate from `message.created`, so that other consumers do not see a message twice because its vectors were lost.
 */
export const VectorsRebuild = event('vectors.rebuild', MessageFacts.extend({ content: StoredContent.nullable() }));
export type VectorsRebuild = z.infer<typeof VectorsRebuild>;

/** The vectors of `messageVersion` are stored: the message can be found by meaning. */
export const MessageEmbedded = event(
  'message.embedded',
  z.object({
    messageId: MessageId,
    conversationId: ConversationId,
    seq,
    messageVersion: version,
    chunkCount: z.int().nonnegative().max(100_000),
    model: z.string().max(200),
    /** Who is told that the message can be found by meaning; events of earlier versions lack it. */
    senderId: UserId.optional(),
  }),
);
export type MessageEmbedded = z.infer<typeof MessageEmbedded>;

const membersVersion = z.int().nonnegative();

/** A conversation was started with these members; `membersVersion` rises with each change of the members. */
export const ConversationCreated = event(
  'conversation.created',
  z.object({ conversationId: ConversationId, memberIds: z.array(UserId).max(10_000), membersVersion }),
);
export type ConversationCreated = z.infer<typeof ConversationCreated>;

/** A user became a member when the newest message was `headSeq`: what comes after it, the user's open sockets must get. */
export const MemberAdded = event(
  'member.added',
  z.object({ conversationId: ConversationId, userId: UserId, headSeq: z.int().nonnegative(), membersVersion }),
);
export type MemberAdded = z.infer<typeof MemberAdded>;

/** A user is no member any more: nothing of the conversation may reach it from now on. */
export const MemberRemoved = event('member.removed', z.object({ conversationId: ConversationId, userId: UserId, membersVersion }));
export type MemberRemoved = z.infer<typeof MemberRemoved>;

/** A member has received and read more than before; both numbers only ever rise. */
export const ReceiptRecorded = event(
  'receipt.recorded',
  z.object({
    conversationId: ConversationId,
    userId: UserId,
    deliveredSeq: z.int().nonnegative(),
    readSeq: z.int().nonnegative(),
  }),
);
export type ReceiptRecorded = z.infer<typeof ReceiptRecorded>;

/** A command to the delivery service: tell one device of a member who was offline of a message. The device and the text are looked up when it is sent. */
export const PushDue = event(
  'push.due',
  z.object({ conversationId: ConversationId, messageId: MessageId, seq, userId: UserId, deviceId: z.string().max(64) }),
);
export type PushDue = z.infer<typeof PushDue>;

/** Every event there is, by routing key. The bus validates with these on both sides; AsyncAPI is printed from them. */
export const eventSchemas = {
  'message.created': MessageCreated,
  'message.edited': MessageEdited,
  'message.deleted': MessageDeleted,
  'vectors.rebuild': VectorsRebuild,
  'message.embedded': MessageEmbedded,
  'conversation.created': ConversationCreated,
  'member.added': MemberAdded,
  'member.removed': MemberRemoved,
  'receipt.recorded': ReceiptRecorded,
  'push.due': PushDue,
} as const;

export type EventType = keyof typeof eventSchemas;
export type EventOf<Type extends EventType> = z.infer<(typeof eventSchemas)[Type]>;
export type ParleyEvent = { [Type in EventType]: EventOf<Type> }[EventType];
/** The three events in a message's life that change what readers and vectors should show. */
export type MessageEvent = MessageCreated | MessageEdited | MessageDeleted;
/** The events that the indexer handles. */
export type IndexingEvent = MessageEvent | VectorsRebuild;

/** Wraps `data` in the envelope of its event. A fixed `eventId` makes a re-issued event recognisable as the same one. */
export const newEvent = <Type extends EventType>(
  type: Type,
  data: EventOf<Type>['data'],
  { eventId = newId(), occurredAt = new Date() }: { eventId?: string; occurredAt?: Date } = {},
): EventOf<Type> =>
  ({ eventId, type, version: 1, occurredAt: occurredAt.toISOString(), conversationId: data.conversationId, data }) as EventOf<Type>;
