import { MAX_CONTENT_LENGTH } from '#lib/contracts/text';
import type { EventOf, EventType } from '#lib/contracts/events';

/** What the documents say of an event beside its schema. */
interface EventText<Type extends EventType> {
  readonly title: string;
  readonly summary: string;
  readonly example: EventOf<Type>['data'];
}

const conversationId = '0199a2f0-7d1c-7000-8000-000000000001';
const messageId = '0199a2f0-8a30-7000-8000-000000000002';
const endId = '0199a2f1-1c20-7000-8000-000000000003';
const jobId = '0199a2f1-2b40-7000-8000-000000000004';
const createdAt = '2026-01-31T09:30:00.000Z';
const editedAt = '2026-01-31T09:31:00.000Z';

const message = { messageId, conversationId, seq: 1, senderId: 'alice', version: 1, createdAt };
const end = { endId, conversationId, userId: 'alice' };

/** Title, meaning and example of every event: AsyncAPI and docs/reference/events.md show them. */
export const eventTexts: { readonly [Type in EventType]: EventText<Type> } = {
  'message.created': {
    title: 'Message created',
    summary: `A message is committed. Carries its text, of up to ${MAX_CONTENT_LENGTH.toLocaleString('en')} UTF-16 units, so that no consumer has to ask Postgres.`,
    example: { ...message, content: 'Shall we have coffee?' },
  },
  'message.edited': {
    title: 'Message edited',
    summary: 'A message has a new text; `version` tells which text is newer.',
    example: { ...message, version: 2, content: 'Shall we have tea?', editedAt },
  },
  'message.deleted': {
    title: 'Message deleted',
    summary: 'A message is deleted: its vectors and index entries follow.',
    example: { ...message, version: 3, deletedAt: editedAt },
  },
  'vectors.rebuild': {
    title: 'Rebuild vectors',
    summary:
      'A command to the indexer: make the vectors of this message anew from its current text (`null`: it is deleted), even if this version is indexed.',
    example: { ...message, content: 'Shall we have coffee?' },
  },
  'message.embedded': {
    title: 'Message embedded',
    summary: 'The vectors of `messageVersion` are stored: the message can be found by meaning.',
    example: { messageId, conversationId, seq: 1, messageVersion: 1, chunkCount: 1, model: 'local-lexical-v1', senderId: 'alice' },
  },
  'conversation.created': {
    title: 'Conversation created',
    summary: 'A conversation was started with these members.',
    example: { conversationId, memberIds: ['alice', 'bob'], membersVersion: 0 },
  },
  'member.added': {
    title: 'Member added',
    summary: 'A user became a member when the newest message was `headSeq`: what comes after it, the open sockets of the user get.',
    example: { conversationId, userId: 'carol', headSeq: 12, membersVersion: 1 },
  },
  'member.removed': {
    title: 'Member removed',
    summary: 'A user is no member any more: nothing of the conversation may reach the user from now on.',
    example: { conversationId, userId: 'carol', membersVersion: 2 },
  },
  'receipt.recorded': {
    title: 'Receipt recorded',
    summary: 'A member has received and read more than before; both numbers only ever rise.',
    example: { conversationId, userId: 'bob', deliveredSeq: 12, readSeq: 11 },
  },
  'push.due': {
    title: 'Push a message',
    summary:
      'A command to the delivery service: tell one device of a member who was offline of a message. Device and text are looked up when it is sent.',
    example: { conversationId, messageId, seq: 1, userId: 'bob', deviceId: 'pixel-9' },
  },
  'conversation.ended': {
    title: 'Conversation ended',
    summary: 'The conversation of a user ended. Its log or its messages are looked up by `endId`: they are too large for an event.',
    example: { ...end, endedAt: createdAt },
  },
  'score.calculate': {
    title: 'Calculate a score',
    summary: 'A command to the scoring service: score this end now, a caller waits for its job.',
    example: { ...end, jobId },
  },
  'score.recalculate': {
    title: 'Recalculate scores',
    summary:
      'A command to the scoring service: score again, when there is time, one end, or without `endId` every end of the user that is due.',
    example: { conversationId: null, userId: 'alice', reason: 'nightly' },
  },
  'score.updated': {
    title: 'Score updated',
    summary: 'The friendship status of a user changed. `version` rises with each change.',
    example: { ...end, scoreChange: 12, score: 132, level: 'acquaintance', degraded: false, version: 7, updatedAt: editedAt },
  },
  'document.created': {
    title: 'Document created',
    summary: 'A document is stored; its text is looked up by `documentId`.',
    example: { documentId: '0199a2f1-3c50-7000-8000-000000000005', conversationId, ownerId: 'alice' },
  },
  'user.erased': {
    title: 'User erased',
    summary: 'An administrator ordered everything of a user to be erased; the job counts what each store held.',
    example: { conversationId: null, userId: 'alice', jobId },
  },
};
