import type { ConversationId, MessageId } from '#lib/contracts/ids';
import type { MemoryArchive } from '#lib/conversations/adapters/memory-archive';
import {
  CurrentConversationsPort,
  type CurrentMessage,
  MAX_RECEIPT_MEMBERS,
  type MemberKey,
  type Members,
  type Membership,
} from '../current-conversations.port.js';

/** Messages and members in memory, for tests. */
export class MemoryCurrentConversations extends CurrentConversationsPort {
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
}
