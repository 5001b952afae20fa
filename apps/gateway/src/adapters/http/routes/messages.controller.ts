import { Controller, Get, HttpCode, Post, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { MessageList, MessagePage, MessageView, NewMessage } from '#lib/contracts/http';
import type { UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { currentContext, enrichContext } from '#lib/runtime/log/context';
import { atAcknowledgement } from '#lib/conversations/first-stages';
import { viewOf } from '#lib/conversations/message-view';
import { ReadMessages } from '../../../messages/read-messages.js';
import { StoreMessage } from '../../../messages/store-message.js';
import { Caller, ConversationRef, IdempotencyKey } from './parameters.js';
import { FromBody, FromPath, FromQuery } from '../problems/validation.js';

@ApiTags('messages')
@Controller('v1/conversations/:conversationId/messages')
export class MessagesController {
  constructor(
    private readonly storeMessage: StoreMessage,
    private readonly readMessages: ReadMessages,
  ) {}

  /** Called by direct-send.ts: its decorators register and describe the route, but no pipe, guard or interceptor of Nest runs (ADR 23). */
  @Post()
  @ApiOperation({ operationId: 'sendMessage', summary: 'Send a message: committed when this is answered' })
  @HttpCode(202)
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'Same meaning as clientMessageId: 1-255 printable ASCII characters.',
  })
  @ApiAcceptedResponse({ standardSchema: MessageView, headers: { Location: { schema: { type: 'string' } } } })
  async send(
    @Caller() senderId: UserId,
    @FromPath(ConversationRef) { conversationId }: ConversationRef,
    @FromBody(NewMessage) body: NewMessage,
    @IdempotencyKey() header: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MessageView> {
    enrichContext({ conversationId });
    const { content, metadata, priority } = body;
    const { requestId, traceparent } = currentContext();
    const key = oneKeyOf(header, body.clientMessageId);
    const draft = { conversationId, senderId, content, metadata, priority, key, requestId, traceparent };
    const { message, replayed, isIndexed } = await this.storeMessage.execute(draft);
    enrichContext({ messageId: message.id });
    reply.header('location', `/v1/messages/${message.id}`);
    if (replayed) reply.header('idempotency-replayed', 'true');
    // A replay answers as the first send did, whatever the message became since.
    return viewOf(message, isIndexed ? { ...atAcknowledgement, embedding: 'done' } : atAcknowledgement);
  }

  @Get()
  @ApiOperation({ operationId: 'listMessages', summary: 'Messages of a conversation, by seq' })
  @ApiOkResponse({ standardSchema: MessageList })
  page(
    @Caller() reader: UserId,
    @FromPath(ConversationRef) { conversationId }: ConversationRef,
    @FromQuery(MessagePage) range: MessagePage,
  ): Promise<MessageList> {
    return this.readMessages.execute(conversationId, reader, range);
  }
}

const oneKeyOf = (header: string | undefined, inBody: string | undefined): string | undefined => {
  if (header === undefined || inBody === undefined || header === inBody) return header ?? inBody;
  throw new ProblemError('validation', 'Idempotency-Key and clientMessageId mean the same and must not differ.', {
    errors: [{ pointer: '/clientMessageId', message: 'differs from the Idempotency-Key header' }],
  });
};
