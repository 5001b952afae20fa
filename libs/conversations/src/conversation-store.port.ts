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

/** A conversation as it stands in its member's list. */
export interface ConversationListing extends Conversation {
  readonly readSeq: number;
  readonly lastMessage: Message | null;
}

/**
 * Conversations and who belongs to them: the one authorizer. A conversation that the reader does not belong to does not exist for it.
 * All calls throw DependencyError when Postgres cannot.
 */
export abstract class ConversationStorePort {
  /** `members` includes the creator, without duplicates. */
  abstract create(conversation: { title: string | null; creatorId: UserId; memberIds: readonly UserId[] }): Promise<Conversation>;
  abstract find(id: ConversationId, reader: UserId): Promise<Conversation | undefined>;
  /** The reader's conversations, newest activity first, at most MAX_PAGE_BYTES a page. `cursor` is opaque. @throws ProblemError `validation` for a cursor that is none of ours. */
  abstract list(
    reader: UserId,
    page: { cursor?: string | undefined; limit: number },
  ): Promise<{ items: ConversationListing[]; nextCursor: string | null }>;
  /** Any member adds members. False when `actor` is not a member. Adding twice is fine. @throws ProblemError `validation` over 10,000 members. */
  abstract addMember(id: ConversationId, actor: UserId, userId: UserId): Promise<boolean>;
  /** The creator removes anyone, a member itself. @throws ProblemError `not-found`, `forbidden`. Removing somebody who is not there is fine. */
  abstract removeMember(id: ConversationId, actor: UserId, userId: UserId): Promise<void>;
  /** Raises what the member has received and read; never lowers, never beyond headSeq. False when not a member. */
  abstract recordReceipt(
    id: ConversationId,
    reader: UserId,
    receipt: { deliveredSeq?: number | undefined; readSeq?: number | undefined },
  ): Promise<boolean>;
  /** Ids of the conversations that `reader` belongs to (the visible set of a search). At most 10,000, newest activity first. */
  abstract visibleTo(reader: UserId): Promise<ConversationId[]>;
}
