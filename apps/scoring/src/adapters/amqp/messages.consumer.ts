import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { MessageEvent } from '#lib/contracts/events';
import { ScoreMessages } from '../../signals/score-messages.js';

/** One call per batch of `scoring.messages`. The bus has checked each event against its schema. */
@Controller()
export class MessagesConsumer {
  constructor(private readonly scoreMessages: ScoreMessages) {}

  @EventPattern('scoring.messages')
  async handle(@Payload() events: MessageEvent[]): Promise<[]> {
    await this.scoreMessages.handle(events);
    return [];
  }
}
