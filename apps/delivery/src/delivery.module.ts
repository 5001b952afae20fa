import { type DynamicModule, Module } from '@nestjs/common';
import type { SharedBus } from '#lib/bus/adapters/embedded/journaled-providers';
import { BusModule } from '#lib/bus/bus.module';
import { ConversationsModule } from '#lib/conversations/conversations.module';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { DatabaseModule } from '#lib/database/database.module';
import { LiveModule, type SharedLive } from '#lib/live/live.module';
import { ResilienceModule, type SharedResilience } from '#lib/resilience/resilience.module';
import { MessagesConsumer } from './adapters/amqp/messages.consumer.js';
import { PostgresCurrentConversations } from './adapters/postgres-current-conversations.js';
import { CurrentConversationsPort } from './current-conversations.port.js';
import { DeliverMessages } from './deliver-messages.js';
import { MarkFailed } from './mark-failed.js';
import { PushModule } from './push/push.module.js';

/** Longest publish to Redis (1 s), longest statement of the ledger (5 s) and of the devices (5 s), in milliseconds. */
const AFTER_READING_MS = 11_000;

const currentConversations = {
  provide: CurrentConversationsPort,
  inject: [PostgresLanes],
  useFactory: (lanes: PostgresLanes) => new PostgresCurrentConversations(lanes.lane('work')),
};

/** What it shares with the other apps of one process, in place of servers. */
interface Shared {
  readonly resilience: SharedResilience;
  readonly lanes: PostgresLanes;
  readonly bus: SharedBus;
  readonly live: SharedLive;
}

const on = ({ resilience, lanes, bus, live }: Partial<Shared>): DynamicModule => ({
  module: DeliveryModule,
  imports: [
    ResilienceModule.for('delivery', {}, resilience),
    DatabaseModule.for('delivery', {}, lanes),
    ConversationsModule.forDeliveries('work'),
    LiveModule.for('delivery', { publishes: true, presence: true }, live),
    BusModule.for(
      'delivery',
      {
        consumes: {
          deadLetters: MarkFailed,
          slowestCall: { name: 'a publish to Redis, the entry in the ledger and the devices of members', timeoutMs: AFTER_READING_MS },
        },
      },
      bus,
    ),
  ],
});

/** The delivery process: takes messages to the sockets of their members. */
@Module({
  imports: [PushModule],
  controllers: [MessagesConsumer],
  providers: [DeliverMessages, MarkFailed, currentConversations],
})
export class DeliveryModule {
  /** On Postgres, RabbitMQ and Redis. */
  static live(): DynamicModule {
    return on({});
  }

  /** In one process with the other apps. */
  static embedded(shared: Shared): DynamicModule {
    return on(shared);
  }
}
