import { Injectable } from '@nestjs/common';
import type { ContextRequest, ContextView } from '#lib/contracts/http';
import type { ConversationId, UserId } from '#lib/contracts/ids';
import { enrichContext } from '#lib/runtime/log/context';
import { ShowMessages } from '../messages/show-messages.js';
import { BuildContext } from './build-context.js';

/** Builds a context window, and shows its messages as the reader sees them. */
@Injectable()
export class AnswerContext {
  constructor(
    private readonly buildContext: BuildContext,
    private readonly showMessages: ShowMessages,
  ) {}

  /** Throws what BuildContext throws. */
  async execute(conversationId: ConversationId, reader: UserId, request: ContextRequest): Promise<ContextView> {
    enrichContext({ conversationId });
    const { items, tokens, indexedThroughSeq, degraded } = await this.buildContext.execute(conversationId, reader, request);
    const views = await this.showMessages.execute(items.map(({ message }) => message));
    return {
      items: items.flatMap(({ why }, i) => {
        const message = views[i];
        return message === undefined ? [] : [{ message, why }];
      }),
      tokens,
      indexedThroughSeq,
      degraded: [...degraded],
    };
  }
}
