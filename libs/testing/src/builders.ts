import { type MessageCreated, type MessageDeleted, type MessageEdited, newEvent, type VectorsRebuild } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';

/** A `message.created` event with plausible facts; `facts` overrides any of them. */
export const aMessageCreated = (facts: Partial<MessageCreated['data']> = {}): MessageCreated =>
  newEvent('message.created', {
    messageId: newId(),
    conversationId: newId(),
    seq: 1,
    senderId: 'alice',
    version: 1,
    createdAt: new Date().toISOString(),
    content: 'Xin chào, this is a message.',
    ...facts,
  });

/** The event of an edit of `message` to a newer text. */
export const editOf = (message: MessageCreated, content: string, version = message.data.version + 1): MessageEdited =>
  newEvent('message.edited', { ...message.data, content, version, editedAt: new Date().toISOString() });

/** The event of the deletion of `message`. */
export const deletionOf = (message: MessageCreated, version = message.data.version + 1): MessageDeleted => {
  const { content: _, ...facts } = message.data;
  return newEvent('message.deleted', { ...facts, version, deletedAt: new Date().toISOString() });
};

/** The order to make the vectors of `message` anew. */
export const rebuildOf = ({ data: { content, ...facts } }: MessageCreated | MessageEdited): VectorsRebuild => {
  const { editedAt: _, ...known } = { editedAt: undefined, ...facts };
  return newEvent('vectors.rebuild', { ...known, content });
};
