import type { ConversationId, UserId } from '#lib/contracts/ids';
import {
  type ChangesPosition,
  ConversationFeedPort,
  type ConversationState,
  type FeedPage,
  type Joining,
  MAX_FEED_PAGE,
  type Membership,
} from '../conversation-feed.port.js';
import { MAX_PAGE_BYTES, MAX_VISIBLE } from '../limits.js';
import type { Message } from '../message.js';
import { bytesOf, firstWithin } from './first-within.js';
import type { MemoryArchive, MemoryConversation } from './memory-archive.js';

const MAX_AUDIENCES = 200;
const MAX_AUDIENCE_MEMBERS = 100;
const DEFAULT_SINCE_MS = 10_000;

/** The feed of conversations in memory: for the embedded mode, development and unit tests. */
export class MemoryConversationFeed extends ConversationFeedPort {
  constructor(private readonly archive: MemoryArchive) {
    super();
  }

  async memberships(userIds: readonly UserId[], limit: number): Promise<Map<UserId, Membership[]>> {
    const found = userIds.map((userId) => [userId, this.archive.visibleTo(userId).slice(0, limit).map(membershipOf)] as const);
    return new Map(found.filter(([, memberships]) => memberships.length > 0));
  }

  async allMemberships(userId: UserId): Promise<Membership[]> {
    return this.archive.visibleTo(userId).slice(0, MAX_VISIBLE).map(membershipOf);
  }

  async states(ids: readonly ConversationId[]): Promise<ConversationState[]> {
    return this.all(ids).map(({ id, messages, membersVersion }) => ({ id, headSeq: messages.length, membersVersion }));
  }

  async members(id: ConversationId, userIds: readonly UserId[]) {
    const [conversation] = this.all([id]);
    if (conversation === undefined) return undefined;
    const { members, membersVersion } = conversation;
    return { memberIds: new Set(userIds.filter((userId) => members.has(userId))), membersVersion };
  }

  async page(id: ConversationId, afterSeq: number): Promise<FeedPage | undefined> {
    const [conversation] = this.all([id]);
    if (conversation === undefined) return undefined;
    const { messages, membersVersion } = conversation;
    return {
      messages: firstWithin(MAX_PAGE_BYTES, messages.slice(afterSeq, afterSeq + MAX_FEED_PAGE), bytesOf),
      headSeq: messages.length,
      membersVersion,
    };
  }

  async changes(
    ids: readonly ConversationId[],
    { after, throughSeq = Number.MAX_SAFE_INTEGER }: { after: ChangesPosition; throughSeq?: number | undefined },
  ): Promise<{ messages: Message[]; next: ChangesPosition | undefined }> {
    const found = this.all(ids)
      .flatMap(({ messages }) => messages.slice(0, throughSeq))
      .flatMap((message) => {
        const at = message.deletedAt ?? message.editedAt;
        return at === undefined ? [] : [{ message, at, id: message.id }];
      })
      .filter((change) => compare(change, after) > 0)
      .sort(compare);
    const changes = firstWithin(MAX_PAGE_BYTES, found.slice(0, MAX_FEED_PAGE), ({ message }) => bytesOf(message));
    const last = changes.at(-1);
    return { messages: changes.map(({ message }) => message), next: last && { at: last.at, id: last.id } };
  }

  async joinings(userIds: readonly UserId[], since = new Date(Date.now() - DEFAULT_SINCE_MS)): Promise<{ joinings: Joining[]; at: Date }> {
    const at = new Date();
    const joinings = userIds.flatMap((userId) =>
      this.archive
        .visibleTo(userId)
        .filter(({ members }) => (members.get(userId)?.joinedAt ?? 0) >= since)
        .map(({ id }) => ({ conversationId: id, userId })),
    );
    return { joinings, at };
  }

  async seqAtJoining({ conversationId, userId }: Joining): Promise<number | undefined> {
    const conversation = this.archive.visible(conversationId, userId);
    const joinedAt = conversation?.members.get(userId)?.joinedAt;
    if (conversation === undefined || joinedAt === undefined) return undefined;
    return conversation.messages.findLast(({ createdAt }) => createdAt < joinedAt)?.seq ?? 0;
  }

  async audiences(userIds: readonly UserId[]): Promise<Map<UserId, ConversationId[]>> {
    const audienceOf = (userId: UserId) =>
      this.archive
        .visibleTo(userId)
        .slice(0, MAX_AUDIENCES)
        .filter(({ members }) => members.size > 1 && members.size <= MAX_AUDIENCE_MEMBERS)
        .map(({ id }) => id);
    return new Map(userIds.map((userId) => [userId, audienceOf(userId)] as const).filter(([, ids]) => ids.length > 0));
  }

  private all(ids: readonly ConversationId[]): MemoryConversation[] {
    return ids.flatMap((id) => this.archive.conversations.get(id) ?? []);
  }
}

const membershipOf = ({ id, membersVersion }: MemoryConversation): Membership => ({ conversationId: id, membersVersion });

const compare = (one: ChangesPosition, other: ChangesPosition): number =>
  one.at.getTime() - other.at.getTime() || (one.id < other.id ? -1 : Number(one.id > other.id));
