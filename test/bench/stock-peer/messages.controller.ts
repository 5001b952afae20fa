import { randomUUID } from 'node:crypto';
import { Body, Controller, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { ClientProxy, Ctx, EventPattern, Payload, RmqContext } from '@nestjs/microservices';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { StockMessage } from './message.entity.js';
import { NewMessageDto } from './new-message.dto.js';

@Controller()
export class StockMessagesController {
  constructor(
    @InjectRepository(StockMessage) private readonly messages: Repository<StockMessage>,
    @Inject('BUS') private readonly bus: ClientProxy,
  ) {}

  @Post('v1/conversations/:id/messages')
  @HttpCode(202)
  async send(@Param('id') conversationId: string, @Body() body: NewMessageDto) {
    const message = await this.messages.save(this.messages.create({ id: randomUUID(), conversationId, content: body.content }));
    this.bus.emit('message.created', { id: message.id, conversationId, content: body.content });
    return { id: message.id, createdAt: message.createdAt };
  }

  @Get('readyz')
  ready() {
    return { status: 'ok' };
  }

  @EventPattern<string>('message.created')
  consume(@Payload() _message: unknown, @Ctx() context: RmqContext) {
    const channel = context.getChannelRef() as { ack(message: unknown): void };
    channel.ack(context.getMessage());
  }
}
