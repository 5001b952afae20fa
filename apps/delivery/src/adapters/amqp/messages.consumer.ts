import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { DeliverMessages, type DeliveryEvent } from '../../deliver-messages.js';

/** The edge of this process: one call per batch of `delivery.messages`. The bus has checked each event against its schema. */
@Controller()
export class MessagesConsumer {
  constructor(private readonly deliverMessages: DeliverMessages) {}

  @EventPattern('delivery.messages')
  handle(@Payload() events: DeliveryEvent[]): Promise<void> {
    return this.deliverMessages.handle(events);
  }
}
