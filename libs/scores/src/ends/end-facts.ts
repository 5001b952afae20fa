import { type ConversationEnded, newEvent } from '#lib/contracts/events';
import type { EndedConversationId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { ConversationEndDraft, ConversationEndRecord } from './conversation-end-store.port.js';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether an id can be that of a conversation of Parley. */
export const canBeOurs = (id: EndedConversationId): boolean => UUID.test(id);

/** What clients see of an end. @param isFirst of its user and conversation. */
export const eventIdOf = (id: string, isFirst: boolean, now: Date): string => (isFirst ? id : `${id}_${now.toISOString()}`);

/** What the end announces. Its id is that of the end, so that a client finds it again behind the queue. */
export const endedEvent = ({ id, conversationId, userId, endTime }: ConversationEndRecord): ConversationEnded =>
  newEvent('conversation.ended', { endId: id, conversationId, userId, endedAt: endTime.toISOString() }, { eventId: id });

/** Stands for the body of an end that no client described: one for each last message. */
export const unendedHash = (throughSeq: number): string => `through ${throughSeq}`;

/** A conversation as an end finds it; undefined = Parley has none of this id. */
export interface Found {
  readonly isMember: boolean;
  readonly headSeq: number;
}

/** @throws ProblemError when the conversation cannot be ended like this. */
export const requireEndable = ({ log }: Pick<ConversationEndDraft, 'log'>, isOurs: boolean, found: Found | undefined): void => {
  // A conversation of another system may have a UUID, too; one of Parley that the user is not in is not there.
  if (found?.isMember === false || (isOurs && found === undefined && log === undefined))
    throw new ProblemError('not-found', 'There is no such conversation.');
  if (found === undefined && log === undefined)
    throw new ProblemError('validation', 'A conversation of another system ends with its log.', {
      errors: [{ pointer: '/conversationLog', message: 'is missing' }],
    });
};
