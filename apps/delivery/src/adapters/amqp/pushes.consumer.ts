import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { PushDue } from '#lib/contracts/events';
import { SendPushes } from '../../push/send-pushes.js';

/** The edge of this process for pushes: one call per batch of `delivery.push`. */
@Controller()
export class PushesConsumer {
  constructor(private readonly sendPushes: SendPushes) {}

  @EventPattern('delivery.push')
  handle(@Payload() events: PushDue[]): Promise<void> {
    return this.sendPushes.handle(events);
  }
}
