import { type MessageDeleted, type MessageEdited, newEvent } from '#lib/contracts/events';
import { ERASED_USER, type MessageId, type UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { Message } from './message.js';

/** Who wants to change which message, and which version it believes to change. */
export interface MessageChange {
  readonly id: MessageId;
  readonly actor: UserId;
  /** Only change one of these versions; undefined = whichever there is. */
  readonly ifVersions?: readonly number[] | undefined;
  readonly requestId?: string | undefined;
  readonly traceparent?: string | undefined;
}

/** A message after a change, and the event that announces it. */
export interface ChangedMessage<Event extends MessageEdited | MessageDeleted> {
  readonly message: Message;
  readonly event: Event;
}

/**
 * Whether the change may happen. `message` is what the actor can see under this id, undefined when that is nothing.
 * @throws ProblemError `not-found` (unknown, or the actor is no member), `forbidden` (the message of another user), `version-conflict`.
 */
export const checkChange = (message: Message | undefined, { actor, ifVersions }: MessageChange): Message => {
  if (message === undefined) throw new ProblemError('not-found', 'There is no such message.');
  if (message.senderId !== actor) throw new ProblemError('forbidden', 'Only its sender can change a message.');
  if (ifVersions?.includes(message.version) === false) {
    throw new ProblemError('version-conflict', `The message is at version ${message.version}, which If-Match does not allow.`);
  }
  return message;
};

type MessageFacts = Pick<Message, 'id' | 'conversationId' | 'seq' | 'senderId' | 'version' | 'createdAt'>;

const factsOf = ({ id, conversationId, seq, senderId, version, createdAt }: MessageFacts) => ({
  messageId: id,
  conversationId,
  seq,
  senderId,
  version,
  createdAt: createdAt.toISOString(),
});

/** The message with a new text and the next version. @throws ProblemError `not-found` for a deleted one: there is nothing to edit. */
export const editOf = (message: Message, content: string, at: Date): ChangedMessage<MessageEdited> => {
  if (message.deletedAt !== undefined) throw new ProblemError('not-found', 'The message is deleted.');
  const edited: Message = { ...message, content, version: message.version + 1, editedAt: at };
  const event = newEvent('message.edited', { ...factsOf(edited), content, editedAt: at.toISOString() }, { occurredAt: at });
  return { message: edited, event };
};

/** What a message is after everything of its sender was erased: a place in its conversation. Also of one that was deleted before. */
export const tombstoneOf = (erased: Pick<Message, 'id' | 'conversationId' | 'seq' | 'version' | 'createdAt'>, at: Date): MessageDeleted =>
  newEvent(
    'message.deleted',
    { ...factsOf({ ...erased, senderId: ERASED_USER, version: erased.version + 1 }), deletedAt: at.toISOString() },
    { occurredAt: at },
  );

/** The message without its text and metadata, with the next version; undefined when it is deleted already. */
export const deletionOf = (message: Message, at: Date): ChangedMessage<MessageDeleted> | undefined => {
  if (message.deletedAt !== undefined) return undefined;
  const deleted: Message = { ...message, content: '', metadata: undefined, version: message.version + 1, deletedAt: at };
  return { message: deleted, event: newEvent('message.deleted', { ...factsOf(deleted), deletedAt: at.toISOString() }, { occurredAt: at }) };
};
