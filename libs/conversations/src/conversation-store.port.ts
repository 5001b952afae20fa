import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import type { ConversationCreated, MemberAdded, MemberRemoved, ReceiptRecorded } from '#lib/contracts/events';
import type { ConversationId, UserId } from '#lib/contracts/ids';
import type { Message } from './message.js';

export interface Conversation {
  readonly id: ConversationId;
  readonly title: string | null;
  readonly creatorId: UserId;
  readonly memberIds: readonly UserId[];
  readonly headSeq: number;
  readonly createdAt: Date;
}

/** A conversation that a user wants to start. */
export interface ConversationDraft {
  readonly title: string | null;
  readonly creatorId: UserId;
  readonly memberIds: readonly UserId[];
  /** Durable idempotency key of this creator. */
  readonly key?: string | undefined;
  /** Travel with the event. */
  readonly headers?: EventHeaders;
}

/** Verdict of a start: `replayed` = the same key was used before, and this is what was answered then. */
export interface StartedConversation extends Conversation {
  readonly replayed: boolean;
  /** Of a new one; its outbox row is in the same commit. */
  readonly event?: ConversationCreated;
}

/** What a call changed: its event, whose outbox row is in the same commit; none when everything was so already. */
export interface Changed<Event> {
  readonly event?: Event | undefined;
}

/** What one user may do on one day (UTC); 0 = no limit. */
export interface MembershipLimits {
  readonly conversationsPerDay: number;
  /** Others who are made members, at the start of a conversation or later. */
  readonly additionsPerDay: number;
}

/** No limits: for tests and for stores that only read. */
export const NO_LIMITS: MembershipLimits = { conversationsPerDay: 0, additionsPerDay: 0 };

/** A conversation as it stands in its member's list. */
export interface ConversationListing extends Conversation {
  readonly readSeq: number;
  /** Messages after `readSeq` of other senders that are not deleted; MAX_UNREAD = that many or more. */
  readonly unread: number;
  readonly lastMessage: Message | null;
}

/**
 * Conversations and who belongs to them: the one authorizer. A conversation that the reader does not belong to does not exist for it.
 * All calls throw DependencyError when Postgres cannot.
 */
export abstract class ConversationStorePort {
  /**
   * Starts a conversation of which the creator is always a member. With a key that was used before for the same title and members it
   * answers what it answered then. @throws ProblemError `rate-limited` (quota of the day), `idempotency-key-reused`.
   */
  abstract create(draft: ConversationDraft): Promise<StartedConversation>;
  abstract find(id: ConversationId, reader: UserId): Promise<Conversation | undefined>;
  /**
   * The reader's conversations, newest activity first, at most MAX_PAGE_BYTES a page. `cursor` is opaque. @throws ProblemError `validation` for
   * a cursor that is none of ours.
   */
  abstract list(
    reader: UserId,
    page: { cursor?: string | undefined; limit: number },
  ): Promise<{ items: ConversationListing[]; nextCursor: string | null }>;
  /**
   * Any member adds members; who left on its own only comes back by itself (`actor` = `userId`). Undefined when `actor` is not a member.
   * Adding twice is fine, and changes nothing. @throws ProblemError `forbidden` for one who left, `rate-limited` (quota of the day), `validation`
   * over 10,000 members.
   */
  abstract addMember(id: ConversationId, actor: UserId, userId: UserId, headers?: EventHeaders): Promise<Changed<MemberAdded> | undefined>;
  /**
   * The creator removes anyone, a member itself; the creator also takes the way back from one who left.
   * Removing a user who is not there is fine. @throws ProblemError `not-found`, `forbidden`.
   */
  abstract removeMember(id: ConversationId, actor: UserId, userId: UserId, headers?: EventHeaders): Promise<Changed<MemberRemoved>>;
  /** Raises what the member has received and read; never lowers, never beyond headSeq. Undefined when not a member. */
  abstract recordReceipt(
    id: ConversationId,
    reader: UserId,
    receipt: { deliveredSeq?: number | undefined; readSeq?: number | undefined },
    headers?: EventHeaders,
  ): Promise<Changed<ReceiptRecorded> | undefined>;
  /**
   * The conversations that a search of `reader` looks through: all of its own, or the first MAX_VISIBLE, those that it started or has read
   * in before those that it was only added to, then by newest activity. `isCut`: there are more.
   */
  abstract visibleTo(reader: UserId): Promise<{ readonly ids: readonly ConversationId[]; readonly isCut: boolean }>;
  /** Those of `userIds` that are in one of the first MAX_SHARED conversations of `reader`, in the order of {@link visibleTo}. */
  abstract sharingWith(reader: UserId, userIds: readonly UserId[]): Promise<ReadonlySet<UserId>>;
}
