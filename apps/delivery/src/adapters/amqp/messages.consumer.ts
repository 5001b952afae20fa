import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { PushDue } from '#lib/contracts/events';
import { DeliverMessages, type DeliveryEvent } from '../../deliver-messages.js';

/** The edge of this process: one call per batch of `delivery.messages`. The bus has checked each event against its schema. */
@Controller()
export class MessagesConsumer {
  constructor(private readonly deliverMessages: DeliverMessages) {}

  @EventPattern('delivery.messages')
  handle(@Payload() events: DeliveryEvent[]): Promise<PushDue[]> {
    return this.deliverMessages.handle(events);
  }
}
