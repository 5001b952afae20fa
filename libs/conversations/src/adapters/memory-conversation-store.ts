import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import { type MemberAdded, type MemberRemoved, newEvent, type ParleyEvent, type ReceiptRecorded } from '#lib/contracts/events';
import { type ConversationId, newId, type UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { startHash } from '../body-hash.js';
import {
  type Changed,
  type Conversation,
  type ConversationDraft,
  type ConversationListing,
  ConversationStorePort,
  type MembershipLimits,
  NO_LIMITS,
  type StartedConversation,
} from '../conversation-store.port.js';
import type { Message } from '../message.js';
import { MAX_LISTED_MEMBERS, MAX_MEMBERS, MAX_PAGE_BYTES, MAX_SHARED, MAX_UNREAD, MAX_VISIBLE, UNREAD_WINDOW } from '../limits.js';
import { conversationIsFull, leftByThemselves, quotaUsedUp, startKeyReused } from '../membership-problems.js';
import { cursorOf, positionOf } from '../page-cursor.js';
import { bytesOf, firstWithin } from './first-within.js';
import type { MemoryArchive, MemoryConversation } from './memory-archive.js';

/** Conversations in memory: for the embedded mode, development and unit tests. */
export class MemoryConversationStore extends ConversationStorePort {
  constructor(
    private readonly archive: MemoryArchive,
    private readonly outbox: MemoryOutbox,
    private readonly limits: MembershipLimits = NO_LIMITS,
  ) {
    super();
  }

  async create({ title, creatorId, memberIds, key, headers = {} }: ConversationDraft): Promise<StartedConversation> {
    const everyone = [...new Set([creatorId, ...memberIds])];
    const place = JSON.stringify([creatorId, key]);
    const hash = startHash(title, everyone);
    const earlier = key === undefined ? undefined : this.archive.startKeys.get(place);
    if (earlier !== undefined) {
      if (earlier.hash !== hash) throw startKeyReused();
      const { id, createdAt } = earlier;
      return { id, title, creatorId, memberIds: everyone.sort(), headSeq: 0, createdAt, replayed: true };
    }
    this.count(creatorId, { conversations: 1, additions: everyone.length - 1 });
    const createdAt = new Date();
    const conversation: MemoryConversation = {
      id: newId(),
      title,
      creatorId,
      createdAt,
      members: new Map(everyone.map((id) => [id, { joinedAt: createdAt, deliveredSeq: 0, readSeq: 0 }])),
      departed: new Map(),
      messages: [],
      keys: new Map(),
      lastActivityAt: createdAt,
      membersVersion: 0,
    };
    this.archive.conversations.set(conversation.id, conversation);
    if (key !== undefined) this.archive.startKeys.set(place, { id: conversation.id, createdAt, hash });
    const facts = { conversationId: conversation.id, memberIds: everyone.sort(), membersVersion: 0 };
    const event = this.announced(newEvent('conversation.created', facts), headers);
    return { ...viewOf(conversation), replayed: false, event };
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

  async addMember(
    id: ConversationId,
    actor: UserId,
    userId: UserId,
    headers: EventHeaders = {},
  ): Promise<Changed<MemberAdded> | undefined> {
    const conversation = this.archive.conversations.get(id);
    const departed = conversation?.departed.get(userId);
    const mayReturn = actor === userId && departed?.mayReturn === true;
    if (conversation === undefined || !(conversation.members.has(actor) || mayReturn)) return undefined;
    if (conversation.members.has(userId)) return {};
    if (departed !== undefined && !mayReturn) throw leftByThemselves();
    if (conversation.members.size >= MAX_MEMBERS) throw conversationIsFull();
    this.count(actor, { conversations: 0, additions: 1 });
    conversation.members.set(userId, { joinedAt: new Date(), deliveredSeq: 0, readSeq: 0 });
    conversation.departed.delete(userId);
    conversation.membersVersion += 1;
    const { membersVersion, messages } = conversation;
    const facts = { conversationId: id, userId, headSeq: messages.length, membersVersion };
    return { event: this.announced(newEvent('member.added', facts), headers) };
  }

  async removeMember(id: ConversationId, actor: UserId, userId: UserId, headers: EventHeaders = {}): Promise<Changed<MemberRemoved>> {
    const conversation = this.archive.visible(id, actor);
    if (conversation === undefined) throw new ProblemError('not-found', 'There is no such conversation.');
    if (actor !== userId && actor !== conversation.creatorId) {
      throw new ProblemError('forbidden', 'Only the creator of a conversation removes other members.');
    }
    const wasThere = conversation.members.delete(userId);
    const departed = conversation.departed.get(userId);
    if (actor === userId) conversation.departed.set(userId, { mayReturn: true });
    else if (departed !== undefined) departed.mayReturn = false;
    if (!wasThere) return {};
    conversation.membersVersion += 1;
    const { membersVersion } = conversation;
    return { event: this.announced(newEvent('member.removed', { conversationId: id, userId, membersVersion }), headers) };
  }

  async recordReceipt(
    id: ConversationId,
    reader: UserId,
    { deliveredSeq = 0, readSeq = 0 }: { deliveredSeq?: number | undefined; readSeq?: number | undefined },
    headers: EventHeaders = {},
  ): Promise<Changed<ReceiptRecorded> | undefined> {
    const conversation = this.archive.visible(id, reader);
    const member = conversation?.members.get(reader);
    if (conversation === undefined || member === undefined) return undefined;
    const before = { ...member };
    const headSeq = conversation.messages.length;
    member.readSeq = Math.max(member.readSeq, Math.min(readSeq, headSeq));
    // What was read has arrived.
    member.deliveredSeq = Math.max(member.deliveredSeq, Math.min(deliveredSeq, headSeq), member.readSeq);
    if (member.readSeq === before.readSeq && member.deliveredSeq === before.deliveredSeq) return {};
    return {
      event: this.announced(
        newEvent('receipt.recorded', { conversationId: id, userId: reader, deliveredSeq: member.deliveredSeq, readSeq: member.readSeq }),
        headers,
      ),
    };
  }

  async visibleTo(reader: UserId): Promise<{ ids: ConversationId[]; isCut: boolean }> {
    const ordered = this.ownFirst(reader);
    return { ids: ordered.slice(0, MAX_VISIBLE).map(({ id }) => id), isCut: ordered.length > MAX_VISIBLE };
  }

  async sharingWith(reader: UserId, userIds: readonly UserId[]): Promise<ReadonlySet<UserId>> {
    const shared = this.ownFirst(reader).slice(0, MAX_SHARED);
    return new Set(userIds.filter((userId) => shared.some(({ members }) => members.has(userId))));
  }

  private ownFirst(reader: UserId): MemoryConversation[] {
    const all = this.archive.visibleTo(reader);
    const isOwn = ({ creatorId, members }: MemoryConversation) => creatorId === reader || (members.get(reader)?.readSeq ?? 0) > 0;
    return [...all.filter(isOwn), ...all.filter((conversation) => !isOwn(conversation))];
  }

  private announced<Event extends ParleyEvent>(event: Event, headers: EventHeaders): Event {
    this.outbox.add(event, headers);
    return event;
  }

  /** @throws ProblemError `rate-limited` when the quota of the day does not suffice; then nothing is counted. */
  private count(user: UserId, { conversations, additions }: { conversations: number; additions: number }): void {
    const { conversationsPerDay, additionsPerDay } = this.limits;
    const day = new Date().toISOString().slice(0, 10);
    const known = this.archive.usage.get(user);
    const sofar = known?.day === day ? known : { day, conversations: 0, additions: 0 };
    const now = { day, conversations: sofar.conversations + conversations, additions: sofar.additions + additions };
    const isOver = (used: number, more: number, limit: number) => limit > 0 && more > 0 && used > limit;
    if (isOver(now.conversations, conversations, conversationsPerDay) || isOver(now.additions, additions, additionsPerDay))
      throw quotaUsedUp(this.limits);
    this.archive.usage.set(user, now);
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
  const readSeq = conversation.members.get(reader)?.readSeq ?? 0;
  const isUnread = ({ seq, senderId, deletedAt }: Message) => seq > readSeq && senderId !== reader && deletedAt === undefined;
  return {
    ...view,
    memberIds: view.memberIds.slice(0, MAX_LISTED_MEMBERS),
    readSeq,
    unread: Math.min(MAX_UNREAD, conversation.messages.slice(-UNREAD_WINDOW).filter(isUnread).length),
    lastMessage: conversation.messages.at(-1) ?? null,
  };
};

const bytesOfListing = ({ memberIds, lastMessage }: ConversationListing): number =>
  memberIds.reduce((sum, id) => sum + id.length + 3, 0) + (lastMessage === null ? 0 : bytesOf(lastMessage));
