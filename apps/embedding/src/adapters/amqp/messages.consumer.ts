import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { IndexingEvent, MessageEmbedded } from '#lib/contracts/events';
import { IndexMessages } from '../../index-messages.js';

/** The edge of this process: one call per batch of `embedding.messages`. The bus has checked each event against its schema. */
@Controller()
export class MessagesConsumer {
  constructor(private readonly indexMessages: IndexMessages) {}

  @EventPattern('embedding.messages')
  handle(@Payload() events: IndexingEvent[]): Promise<MessageEmbedded[]> {
    return this.indexMessages.handle(events);
  }
}
