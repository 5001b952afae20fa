import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { ConversationEnded } from '#lib/contracts/events';
import { StoreLogs } from '../../logs/store-logs.js';

/** One call per batch of `scoring.logs`. The bus has checked each event against its schema. */
@Controller()
export class LogsConsumer {
  constructor(private readonly storeLogs: StoreLogs) {}

  @EventPattern('scoring.logs')
  async handle(@Payload() events: ConversationEnded[]): Promise<[]> {
    await this.storeLogs.handle(events);
    return [];
  }
}
