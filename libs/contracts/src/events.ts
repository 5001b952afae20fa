import { z } from 'zod';
import { ConversationId, EndedConversationId, MessageId, newId, UserId } from './ids.js';
import { Level } from './scores.js';
import { StoredContent } from './text.js';

const time = z.iso.datetime({ offset: true });
/** Version of a message, a Postgres `int`: an unreachable number must not outrank every real version. */
const version = z.int().positive().max(2_147_483_647).meta({ description: 'Of the message: 1, raised by each edit and by the deletion' });
/** Position in a conversation, at most 2^53 - 1 as `int` says: beyond it JSON numbers are no longer exact. */
const seq = z.int().positive().meta({ description: 'Place of the message in its conversation: 1, 2, 3, ... without gaps' });

/** Fields of all events about a message. `version` starts at 1 and rises with each edit and with the deletion. */
const MessageFacts = z.object({
  messageId: MessageId,
  conversationId: ConversationId,
  seq,
  senderId: UserId.meta({ description: 'Who wrote it' }),
  version,
  createdAt: time.meta({ description: 'When the message was accepted' }),
});

const isAboutOneConversation = (envelope: object): boolean => {
  const { conversationId, data } = envelope as { conversationId: unknown; data: { conversationId: unknown } };
  return conversationId === data.conversationId;
};

/** @param about what the envelope names: a conversation, unless the event is about one of another system or about none (`null`). */
const event = <
  Type extends string,
  Data extends z.ZodType<{ readonly conversationId: string | null }>,
  About extends z.ZodType<string | null> = typeof ConversationId,
>(
  type: Type,
  data: Data,
  about: About = ConversationId as unknown as About,
) =>
  z
    .object({
      /** UUIDv7; the same event keeps its id through every retry and replay, so consumers can recognise it. */
      eventId: z.uuid().meta({ description: 'The same through every retry and replay' }),
      type: z.literal(type).meta({ description: 'The routing key' }),
      /** Version of this event's schema. Consumers ignore fields they do not know; a breaking change gets a new number. */
      version: z.literal(1).meta({ description: 'Of the schema of this event' }),
      occurredAt: time.meta({ description: 'When it happened, in UTC' }),
      conversationId: about,
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

const membersVersion = z.int().nonnegative().meta({ description: 'Rises with each change of the members' });

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

/** What identifies one end of a conversation in events: a conversation may end more than once. */
const EndFacts = z.object({ endId: z.uuid(), conversationId: EndedConversationId, userId: UserId });

/** A user's conversation ended. Its log or its messages are looked up by `endId`: they are too large for an event. */
export const ConversationEnded = event('conversation.ended', EndFacts.extend({ endedAt: time }), EndedConversationId);
export type ConversationEnded = z.infer<typeof ConversationEnded>;

/** A command to the scoring service: score this end now, a caller waits for its job. */
export const ScoreCalculate = event('score.calculate', EndFacts.extend({ jobId: z.uuid() }), EndedConversationId);
export type ScoreCalculate = z.infer<typeof ScoreCalculate>;

/**
 * A command to the scoring service: score again what may have become better or different since, when there is time. One end, or without `endId`
 * every end of the user that is due. `degraded`: its analysis had failed.
 */
export const ScoreRecalculate = event(
  'score.recalculate',
  z.object({
    conversationId: EndedConversationId.nullable(),
    userId: UserId,
    endId: z.uuid().optional(),
    reason: z.enum(['degraded', 'nightly', 'operator']),
  }),
  EndedConversationId.nullable(),
);
export type ScoreRecalculate = z.infer<typeof ScoreRecalculate>;

/** The friendship status of a user changed. `version` rises with each change. */
export const ScoreUpdated = event(
  'score.updated',
  EndFacts.extend({
    scoreChange: z.int(),
    score: z.int().nonnegative(),
    level: Level,
    degraded: z.boolean(),
    version: z.int().positive(),
    updatedAt: time,
  }),
  EndedConversationId,
);
export type ScoreUpdated = z.infer<typeof ScoreUpdated>;

/** A document is stored; its text is looked up by `documentId`. */
export const DocumentCreated = event(
  'document.created',
  z.object({ documentId: z.uuid(), conversationId: ConversationId, ownerId: UserId }),
);
export type DocumentCreated = z.infer<typeof DocumentCreated>;

/** An administrator ordered everything of a user to be erased; the job counts what each store held. */
export const UserErased = event('user.erased', z.object({ conversationId: z.null(), userId: UserId, jobId: z.uuid() }), z.null());
export type UserErased = z.infer<typeof UserErased>;

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
  'conversation.ended': ConversationEnded,
  'score.calculate': ScoreCalculate,
  'score.recalculate': ScoreRecalculate,
  'score.updated': ScoreUpdated,
  'document.created': DocumentCreated,
  'user.erased': UserErased,
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
