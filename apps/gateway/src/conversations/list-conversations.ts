import { Injectable } from '@nestjs/common';
import type { ConversationPage, ConversationSummary } from '#lib/contracts/http';
import type { UserId } from '#lib/contracts/ids';
import { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import { ShowMessages } from '../messages/show-messages.js';

/** A page of the conversations that a user belongs to, each with its last message, newest activity first. */
@Injectable()
export class ListConversations {
  constructor(
    private readonly conversations: ConversationStorePort,
    private readonly showMessages: ShowMessages,
  ) {}

  /** @throws ProblemError `validation` for a cursor that no page gave out. */
  async execute(reader: UserId, page: ConversationPage): Promise<{ items: ConversationSummary[]; nextCursor: string | null }> {
    const { items, nextCursor } = await this.conversations.list(reader, page);
    const shown = await this.showMessages.execute(items.flatMap(({ lastMessage }) => lastMessage ?? []));
    const lastMessages = new Map(shown.map((message) => [message.conversationId, message]));
    return {
      items: items.map(({ id, title, memberIds, headSeq, readSeq, unread }) => ({
        id,
        title,
        memberIds: [...memberIds],
        headSeq,
        readSeq,
        unread,
        lastMessage: lastMessages.get(id) ?? null,
      })),
      nextCursor,
    };
  }
}
