import { type DynamicModule, Module } from '@nestjs/common';
import type { SharedBus } from '#lib/bus/adapters/embedded/journaled-providers';
import { BusModule } from '#lib/bus/bus.module';
import { ConversationsModule } from '#lib/conversations/conversations.module';
import { NO_LIMITS } from '#lib/conversations/conversation-store.port';
import type { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { DatabaseModule } from '#lib/database/database.module';
import { LiveModule, type SharedLive } from '#lib/live/live.module';
import { ResilienceModule, type SharedResilience } from '#lib/resilience/resilience.module';
import { SessionsModule } from './session/sessions.module.js';

const APP = 'realtime';
/** It starts no conversation and adds no member. */
const limits = () => NO_LIMITS;

/** What it shares with the other apps of one process, in place of servers. */
interface Shared {
  readonly resilience: SharedResilience;
  readonly lanes: PostgresLanes;
  readonly bus: SharedBus;
  readonly live: SharedLive;
}

const on = ({ resilience, lanes, bus, live }: Partial<Shared>): DynamicModule => ({
  module: RealtimeModule,
  imports: [
    ResilienceModule.for(APP, { limiters: true }, resilience),
    DatabaseModule.for(APP, { relay: true, entities: 'reads' }, lanes),
    BusModule.for(APP, { queues: true }, bus),
    ConversationsModule.forUsers({ limits, edits: 'reads' }),
    ConversationsModule.forFollowing(),
    LiveModule.for(APP, { publishes: true, follows: true, presence: true }, live),
  ],
});

/** The realtime process: the WebSockets of users. */
@Module({ imports: [SessionsModule] })
export class RealtimeModule {
  /** On Postgres, RabbitMQ and Redis. */
  static live(): DynamicModule {
    return on({});
  }

  /** In one process with the other apps. */
  static embedded(shared: Shared): DynamicModule {
    return on(shared);
  }

  /** In one process without servers: for tests of everything above the adapters. */
  static inMemory(): DynamicModule {
    return {
      module: RealtimeModule,
      imports: [
        ResilienceModule.inMemory(),
        DatabaseModule.inMemory(),
        BusModule.inMemory(APP),
        ConversationsModule.inMemory({ limits }),
        LiveModule.inMemory(),
      ],
    };
  }
}
