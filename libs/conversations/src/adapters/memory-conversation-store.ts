import { type ConversationId, newId, type UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { type Conversation, type ConversationListing, ConversationStorePort } from '../conversation-store.port.js';
import { MAX_LISTED_MEMBERS, MAX_MEMBERS, MAX_PAGE_BYTES, MAX_VISIBLE } from '../limits.js';
import { cursorOf, positionOf } from '../page-cursor.js';
import { bytesOf, firstWithin } from './first-within.js';
import type { MemoryArchive, MemoryConversation } from './memory-archive.js';

/** Conversations in memory: for the embedded mode, development and unit tests. */
export class MemoryConversationStore extends ConversationStorePort {
  constructor(private readonly archive: MemoryArchive) {
    super();
  }

  async create({ title, creatorId, memberIds }: { title: string | null; creatorId: UserId; memberIds: readonly UserId[] }) {
    const createdAt = new Date();
    const members = new Map([creatorId, ...memberIds].map((id) => [id, { deliveredSeq: 0, readSeq: 0 }]));
    const conversation: MemoryConversation = {
      id: newId(),
      title,
      creatorId,
      createdAt,
      members,
      messages: [],
      keys: new Map(),
      lastActivityAt: createdAt,
    };
    this.archive.conversations.set(conversation.id, conversation);
    return viewOf(conversation);
  }

  async find(id: ConversationId, reader: UserId): Promise<Conversation | undefined> {
    const conversation = this.archive.visible(id, reader);
    return conversation === undefined ? undefined : viewOf(conversation);
  }

  async list(reader: UserId, { cursor, limit }: { cursor?: string | undefined; limit: number }) {
    const after = cursor === undefined ? undefined : positionOf(cursor);
    const all = this.archive.visibleTo(reader).filter(({ id, lastActivityAt }) => {
      if (after === undefined) return true;
      const at = lastActivityAt.getTime();
      return at < after.at || (at === after.at && id < after.id);
    });
    const listings = all.slice(0, limit).map((conversation) => listingOf(conversation, reader));
    const items = firstWithin(MAX_PAGE_BYTES, listings, bytesOfListing);
    const last = all[items.length - 1];
    const hasMore = all.length > items.length && last !== undefined;
    return { items, nextCursor: hasMore ? cursorOf({ at: last.lastActivityAt.getTime(), id: last.id }) : null };
  }

  async addMember(id: ConversationId, actor: UserId, userId: UserId): Promise<boolean> {
    const conversation = this.archive.visible(id, actor);
    if (conversation === undefined) return false;
    if (conversation.members.has(userId)) return true;
    if (conversation.members.size >= MAX_MEMBERS) {
      throw new ProblemError('validation', `A conversation has at most ${MAX_MEMBERS} members.`);
    }
    conversation.members.set(userId, { deliveredSeq: 0, readSeq: 0 });
    return true;
  }

  async removeMember(id: ConversationId, actor: UserId, userId: UserId): Promise<void> {
    const conversation = this.archive.visible(id, actor);
    if (conversation === undefined) throw new ProblemError('not-found', 'There is no such conversation.');
    if (actor !== userId && actor !== conversation.creatorId) {
      throw new ProblemError('forbidden', 'Only the creator of a conversation removes other members.');
    }
    conversation.members.delete(userId);
  }

  async recordReceipt(
    id: ConversationId,
    reader: UserId,
    { deliveredSeq = 0, readSeq = 0 }: { deliveredSeq?: number | undefined; readSeq?: number | undefined },
  ): Promise<boolean> {
    const conversation = this.archive.visible(id, reader);
    const member = conversation?.members.get(reader);
    if (conversation === undefined || member === undefined) return false;
    const headSeq = conversation.messages.length;
    member.readSeq = Math.max(member.readSeq, Math.min(readSeq, headSeq));
    // What was read has arrived.
    member.deliveredSeq = Math.max(member.deliveredSeq, Math.min(deliveredSeq, headSeq), member.readSeq);
    return true;
  }

  async visibleTo(reader: UserId): Promise<ConversationId[]> {
    return this.archive
      .visibleTo(reader)
      .slice(0, MAX_VISIBLE)
      .map(({ id }) => id);
  }
}

const viewOf = ({ id, title, creatorId, createdAt, members, messages }: MemoryConversation): Conversation => ({
  id,
  title,
  creatorId,
  createdAt,
  memberIds: [...members.keys()].sort(),
  headSeq: messages.length,
});

const listingOf = (conversation: MemoryConversation, reader: UserId): ConversationListing => {
  const view = viewOf(conversation);
  return {
    ...view,
    memberIds: view.memberIds.slice(0, MAX_LISTED_MEMBERS),
    readSeq: conversation.members.get(reader)?.readSeq ?? 0,
    lastMessage: conversation.messages.at(-1) ?? null,
  };
};

const bytesOfListing = ({ memberIds, lastMessage }: ConversationListing): number =>
  memberIds.reduce((sum, id) => sum + id.length + 3, 0) + (lastMessage === null ? 0 : bytesOf(lastMessage));
