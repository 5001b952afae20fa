import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ContextRequest, ContextView } from '#lib/contracts/http';
import type { UserId } from '#lib/contracts/ids';
import { enrichContext } from '#lib/runtime/log/context';
import { BuildContext } from '../../../context/build-context.js';
import { ShowMessages } from '../../../messages/show-messages.js';
import { Caller, ConversationRef } from './parameters.js';
import { FromBody, FromPath } from '../problems/validation.js';

@ApiTags('context')
@Controller('v1/conversations/:conversationId/context')
export class ContextController {
  constructor(
    private readonly buildContext: BuildContext,
    private readonly showMessages: ShowMessages,
  ) {}

  @Post()
  @ApiOperation({ operationId: 'buildContext', summary: 'A ready context window for an LLM agent' })
  @HttpCode(200)
  @ApiOkResponse({ standardSchema: ContextView })
  async build(
    @Caller() reader: UserId,
    @FromPath(ConversationRef) { conversationId }: ConversationRef,
    @FromBody(ContextRequest) request: ContextRequest,
  ): Promise<ContextView> {
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
