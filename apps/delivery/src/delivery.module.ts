import { Module } from '@nestjs/common';
import { BusModule } from '#lib/bus/bus.module';
import { DatabaseModule } from '#lib/database/database.module';
import { ResilienceModule } from '#lib/resilience/resilience.module';
import { MessagesConsumer } from './adapters/amqp/messages.consumer.js';
import { DeliverMessages } from './deliver-messages.js';

/** Longest publish to Redis (1 s) and longest statement of the ledger (5 s), in milliseconds. */
const AFTER_READING_MS = 6_000;

/** The delivery process: takes messages to the sockets of their members. */
@Module({
  imports: [
    ResilienceModule.for('delivery'),
    DatabaseModule.for('delivery'),
    BusModule.for('delivery', {
      consumes: { slowestCall: { name: 'a publish to Redis and the entry in the ledger', timeoutMs: AFTER_READING_MS } },
    }),
  ],
  controllers: [MessagesConsumer],
  providers: [DeliverMessages],
})
export class DeliveryModule {}
