import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ContextRequest, ContextView } from '#lib/contracts/http';
import type { UserId } from '#lib/contracts/ids';
import { AnswerContext } from '../../../context/answer-context.js';
import { Caller, ConversationRef } from './parameters.js';
import { FromBody, FromPath } from '../problems/validation.js';

@ApiTags('context')
@Controller('v1/conversations/:conversationId/context')
export class ContextController {
  constructor(private readonly answerContext: AnswerContext) {}

  @Post()
  @ApiOperation({ operationId: 'buildContext', summary: 'A ready context window for an LLM agent' })
  @HttpCode(200)
  @ApiOkResponse({ standardSchema: ContextView })
  build(
    @Caller() reader: UserId,
    @FromPath(ConversationRef) { conversationId }: ConversationRef,
    @FromBody(ContextRequest) request: ContextRequest,
  ): Promise<ContextView> {
    return this.answerContext.execute(conversationId, reader, request);
  }
}
