import { type DynamicModule, Module } from '@nestjs/common';
import { BusModule } from '#lib/bus/bus.module';
import { ConversationsModule } from '#lib/conversations/conversations.module';
import { NO_LIMITS } from '#lib/conversations/conversation-store.port';
import { DatabaseModule } from '#lib/database/database.module';
import { LiveModule } from '#lib/live/live.module';
import { ResilienceModule } from '#lib/resilience/resilience.module';
import { SessionsModule } from './session/sessions.module.js';

const APP = 'realtime';
/** It starts no conversation and adds no member. */
const limits = () => NO_LIMITS;

/** The realtime process: the WebSockets of users. */
@Module({ imports: [SessionsModule] })
export class RealtimeModule {
  /** On Postgres, RabbitMQ and Redis. */
  static live(): DynamicModule {
    return {
      module: RealtimeModule,
      imports: [
        ResilienceModule.for(APP, { limiters: true }),
        DatabaseModule.for(APP, { relay: true, entities: 'reads' }),
        BusModule.for(APP, { queues: true }),
        ConversationsModule.forUsers({ limits, edits: 'reads' }),
        ConversationsModule.forFollowing(),
        LiveModule.for(APP, { publishes: true, follows: true, presence: true }),
      ],
    };
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
