import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import type { ServerFrame } from '#lib/contracts/socket';
import type { Message } from '#lib/conversations/message';

/** A message, and the version of its conversation's members at the same moment. */
export interface CurrentMessage extends Message {
  readonly membersVersion: number;
}

/** A user in a conversation. */
export interface MemberKey {
  readonly conversationId: ConversationId;
  readonly userId: UserId;
}

/** How a user stands to a conversation now. */
export interface Membership extends MemberKey {
  /** False: it is no member. */
  readonly isMember: boolean;
  readonly deliveredSeq: number;
  readonly readSeq: number;
  readonly headSeq: number;
  readonly membersVersion: number;
  /** More than MAX_RECEIPT_MEMBERS members. */
  readonly isLarge: boolean;
}

/** All members of a conversation. */
export interface Members {
  readonly conversationId: ConversationId;
  readonly membersVersion: number;
  readonly headSeq: number;
  readonly userIds: readonly UserId[];
}

/** The change of a score that an event names. */
export interface ScoreKey {
  readonly endId: string;
  readonly userId: UserId;
  /** Of the status of the user after it. */
  readonly version: number;
}

/** What the end of a conversation did to the score of its user: what a client is shown, and the end that it is of. */
export type CurrentScore = Omit<Extract<ServerFrame, { type: 'score.updated' }>, 'type'> & { readonly endId: string };

/** Receipts go to the other members of conversations of at most so many: in larger ones each message would make as many signals as it has readers. */
export const MAX_RECEIPT_MEMBERS = 100;

/**
 * Messages, members and scores as they are committed; events only name them. What does not exist is left out. Never from a replica: a message that is
 * missing there would not be delivered. All throw DependencyError.
 */
export abstract class CurrentConversationsPort {
  /** In one snapshot. */
  abstract messages(ids: readonly MessageId[]): Promise<ReadonlyMap<MessageId, CurrentMessage>>;
  abstract memberships(keys: readonly MemberKey[]): Promise<Membership[]>;
  abstract members(conversationIds: readonly ConversationId[]): Promise<Members[]>;
  /** Changes that are committed, and ends that are degraded, with the score as it is since. */
  abstract scores(keys: readonly ScoreKey[]): Promise<CurrentScore[]>;
}
