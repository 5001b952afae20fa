import { Controller, Get, Param } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { MessageView } from '#lib/contracts/http';
import type { UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { enrichContext } from '#lib/runtime/context';
import { ShowMessages } from '../../messages/show-messages.js';
import { Caller, MessageRef } from './parameters.js';

@ApiTags('messages')
@Controller('v1/messages')
export class MessageController {
  constructor(
    private readonly messages: MessageStorePort,
    private readonly showMessages: ShowMessages,
  ) {}

  @Get(':messageId')
  @ApiOkResponse({ standardSchema: MessageView })
  async get(@Caller() reader: UserId, @Param({ schema: MessageRef }) { messageId }: MessageRef): Promise<MessageView> {
    enrichContext({ messageId });
    const message = await this.messages.find(messageId, reader);
    const [view] = message === undefined ? [] : await this.showMessages.execute([message]);
    if (view === undefined) throw new ProblemError('not-found', 'There is no such message.');
    return view;
  }
}
