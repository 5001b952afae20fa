import { Injectable } from '@nestjs/common';
import type { MessageList, MessagePage } from '#lib/contracts/http';
import type { ConversationId, UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { enrichContext } from '#lib/runtime/log/context';
import { ShowMessages } from './show-messages.js';

/** A page of a conversation, as one of its members sees it. */
@Injectable()
export class ReadMessages {
  constructor(
    private readonly messages: MessageStorePort,
    private readonly showMessages: ShowMessages,
  ) {}

  /** @throws ProblemError `not-found`; DependencyError when Postgres cannot. */
  async execute(conversationId: ConversationId, reader: UserId, range: MessagePage): Promise<MessageList> {
    enrichContext({ conversationId });
    const page = await this.messages.page(conversationId, reader, range);
    if (page === undefined) throw new ProblemError('not-found', 'There is no such conversation.');
    return { items: await this.showMessages.execute(page.messages), headSeq: page.headSeq };
  }
}
