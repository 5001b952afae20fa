import type { ConversationId, UserId } from '#lib/contracts/ids';
import type { Message } from './message.js';

/** Newest message and version of the members of one conversation, of one instant. */
export interface ConversationState {
  readonly id: ConversationId;
  readonly headSeq: number;
  readonly membersVersion: number;
}

/** That a user belongs to a conversation, as of that version of its members. */
export interface Membership {
  readonly conversationId: ConversationId;
  readonly membersVersion: number;
}

/** Messages after a position, with the state of their conversation at the same instant. */
export interface FeedPage extends Omit<ConversationState, 'id'> {
  /** Ascending `seq`, in their newest version; deleted ones are among them. */
  readonly messages: readonly Message[];
}

/** A member that was added. */
export interface Joining {
  readonly conversationId: ConversationId;
  readonly userId: UserId;
}

/** Where a read of changes ended: in the order of (at, id). */
export interface ChangesPosition {
  readonly at: Date;
  readonly id: string;
}

/** How many users one call of `memberships` takes. */
export const MAX_USERS_AT_ONCE = 64;
/** How many conversations one call of `states` or `changes` takes. */
export const MAX_STATES_AT_ONCE = 1_000;
/** Messages of a page; a page ends at MAX_PAGE_BYTES of text, too. */
export const MAX_FEED_PAGE = 200;
/** Rows that one call of `joinings` gives: as many as a process has sockets. */
export const MAX_JOININGS = 20_000;

/**
 * What a process needs that brings conversations to its users' sockets, for many users and conversations in one statement. It does not ask
 * who reads: its caller checks `members` before anything of a conversation is shown. All calls throw DependencyError when Postgres cannot.
 */
export abstract class ConversationFeedPort {
  /** The first `limit` memberships of each user, in no particular order. Users without any are missing. */
  abstract memberships(userIds: readonly UserId[], limit: number): Promise<ReadonlyMap<UserId, readonly Membership[]>>;

  /** All memberships of one user, or MAX_VISIBLE: those that matter most to it first, as in `ConversationStorePort.visibleTo`. */
  abstract allMemberships(userId: UserId): Promise<readonly Membership[]>;

  /** States of conversations; unknown ones are missing. */
  abstract states(ids: readonly ConversationId[]): Promise<readonly ConversationState[]>;

  /** Which of `userIds` are members, and as of which version. Undefined: there is no such conversation. */
  abstract members(
    id: ConversationId,
    userIds: readonly UserId[],
  ): Promise<{ readonly memberIds: ReadonlySet<UserId>; readonly membersVersion: number } | undefined>;

  /** The messages after `afterSeq`, at most MAX_FEED_PAGE and about MAX_PAGE_BYTES. Undefined: there is no such conversation. */
  abstract page(id: ConversationId, afterSeq: number): Promise<FeedPage | undefined>;

  /**
   * Messages of these conversations, `seq` up to `throughSeq`, that were edited or deleted after that position; oldest change first, at most
   * MAX_FEED_PAGE and about MAX_PAGE_BYTES. `next` is the position to go on from; undefined: there are no more.
   */
  abstract changes(
    ids: readonly ConversationId[],
    range: { readonly after: ChangesPosition; readonly throughSeq?: number | undefined },
  ): Promise<{ readonly messages: readonly Message[]; readonly next: ChangesPosition | undefined }>;

  /**
   * Which of `userIds` became members at `since` or later (default: 10 s ago), the newest MAX_JOININGS, and the store's time before it looked.
   */
  abstract joinings(
    userIds: readonly UserId[],
    since: Date | undefined,
  ): Promise<{ readonly joinings: readonly Joining[]; readonly at: Date }>;

  /** `seq` of the newest message when the user became a member, or a little less. Undefined: it is none. */
  abstract seqAtJoining(joining: Joining): Promise<number | undefined>;

  /** Who should learn that a user came or went: of each user its 200 conversations with the newest activity, without those of more than 100 members. */
  abstract audiences(userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, readonly ConversationId[]>>;
}
