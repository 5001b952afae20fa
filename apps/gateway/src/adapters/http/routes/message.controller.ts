import { Controller, Delete, Get, HttpCode, Patch, Res } from '@nestjs/common';
import { ApiHeader, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { EditedMessage, MessageView } from '#lib/contracts/http';
import type { MessageId, UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { MessageChange } from '#lib/conversations/change-message';
import type { Message } from '#lib/conversations/message';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { currentContext, enrichContext } from '#lib/runtime/log/context';
import { DeleteMessage } from '../../../messages/delete-message.js';
import { EditMessage } from '../../../messages/edit-message.js';
import { ShowMessages } from '../../../messages/show-messages.js';
import { Caller, IfMatch, MessageRef } from './parameters.js';
import { FromBody, FromPath } from '../problems/validation.js';

const IF_MATCH = { name: 'If-Match', required: false, description: 'Only change this version: its number, or the ETag that carries it.' };

@ApiTags('messages')
@Controller('v1/messages')
export class MessageController {
  constructor(
    private readonly messages: MessageStorePort,
    private readonly showMessages: ShowMessages,
    private readonly editMessage: EditMessage,
    private readonly deleteMessage: DeleteMessage,
  ) {}

  @Get(':messageId')
  @ApiOperation({ operationId: 'getMessage', summary: 'A message, and how far its pipeline is' })
  @ApiOkResponse({ standardSchema: MessageView })
  async get(
    @Caller() reader: UserId,
    @FromPath(MessageRef) { messageId }: MessageRef,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MessageView> {
    enrichContext({ messageId });
    return this.show(await this.messages.find(messageId, reader), reply);
  }

  @Patch(':messageId')
  @ApiOperation({ operationId: 'editMessage', summary: 'Give a message a new text' })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ standardSchema: MessageView })
  async edit(
    @Caller() actor: UserId,
    @FromPath(MessageRef) { messageId }: MessageRef,
    @FromBody(EditedMessage) { content }: EditedMessage,
    @IfMatch() ifVersions: readonly number[] | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MessageView> {
    return this.show(await this.editMessage.execute(changeOf(messageId, actor, ifVersions), content), reply);
  }

  @Delete(':messageId')
  @ApiOperation({ operationId: 'deleteMessage', summary: 'Delete a message' })
  @HttpCode(204)
  @ApiHeader(IF_MATCH)
  @ApiNoContentResponse()
  async delete(
    @Caller() actor: UserId,
    @FromPath(MessageRef) { messageId }: MessageRef,
    @IfMatch() ifVersions: readonly number[] | undefined,
  ): Promise<void> {
    await this.deleteMessage.execute(changeOf(messageId, actor, ifVersions));
  }

  private async show(message: Message | undefined, reply: FastifyReply): Promise<MessageView> {
    const [view] = message === undefined ? [] : await this.showMessages.execute([message]);
    if (view === undefined) throw new ProblemError('not-found', 'There is no such message.');
    reply.header('etag', `"${view.version}"`);
    return view;
  }
}

const changeOf = (id: MessageId, actor: UserId, ifVersions: readonly number[] | undefined): MessageChange => {
  enrichContext({ messageId: id });
  const { requestId, traceparent } = currentContext();
  return { id, actor, ifVersions, requestId, traceparent };
};
