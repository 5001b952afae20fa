import type { ConversationId, MessageId } from '#lib/contracts/ids';
import type { MemoryArchive } from '#lib/conversations/adapters/memory-archive';
import {
  CurrentConversationsPort,
  type CurrentMessage,
  type CurrentScore,
  MAX_RECEIPT_MEMBERS,
  type MemberKey,
  type Members,
  type Membership,
  type ScoreKey,
} from '../current-conversations.port.js';

/** Messages, members and scores in memory, for tests. */
export class MemoryCurrentConversations extends CurrentConversationsPort {
  readonly committedScores: CurrentScore[] = [];

  constructor(private readonly archive: MemoryArchive) {
    super();
  }

  async messages(ids: readonly MessageId[]): Promise<ReadonlyMap<MessageId, CurrentMessage>> {
    const found = new Map<MessageId, CurrentMessage>();
    for (const id of ids) {
      const place = this.archive.places.get(id);
      const message = place?.conversation.messages[place.seq - 1];
      if (place !== undefined && message !== undefined) found.set(id, { ...message, membersVersion: place.conversation.membersVersion });
    }
    return found;
  }

  async memberships(keys: readonly MemberKey[]): Promise<Membership[]> {
    return keys.flatMap(({ conversationId, userId }) => {
      const conversation = this.archive.conversations.get(conversationId);
      if (conversation === undefined) return [];
      const { members, membersVersion, messages } = conversation;
      const { deliveredSeq, readSeq } = members.get(userId) ?? { deliveredSeq: 0, readSeq: 0 };
      const isLarge = members.size > MAX_RECEIPT_MEMBERS;
      const state = { isMember: members.has(userId), deliveredSeq, readSeq, headSeq: messages.length, membersVersion, isLarge };
      return [{ conversationId, userId, ...state }];
    });
  }

  async members(conversationIds: readonly ConversationId[]): Promise<Members[]> {
    return conversationIds.flatMap((conversationId) => {
      const conversation = this.archive.conversations.get(conversationId);
      if (conversation === undefined) return [];
      const { members, membersVersion, messages } = conversation;
      return [{ conversationId, membersVersion, headSeq: messages.length, userIds: [...members.keys()] }];
    });
  }

  async scores(keys: readonly ScoreKey[]): Promise<CurrentScore[]> {
    const isSame = (key: ScoreKey) => (score: CurrentScore) =>
      score.endId === key.endId && score.userId === key.userId && score.version === key.version;
    return keys.flatMap((key) => this.committedScores.find(isSame(key)) ?? []);
  }
}
