import { Injectable } from '@nestjs/common';
import type { EventOf } from '#lib/contracts/events';
import type { queues } from '#lib/contracts/pipeline';

/** What this process hears. */
export type DeliveryEvent = EventOf<(typeof queues)['delivery.messages']['hears'][number]>;

/** Takes messages to the sockets of their members. */
@Injectable()
export class DeliverMessages {
  async handle(_events: readonly DeliveryEvent[]): Promise<void> {}
}
