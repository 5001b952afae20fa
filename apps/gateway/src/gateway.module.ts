import { type DynamicModule, Module } from '@nestjs/common';
import type { SharedBus } from '#lib/bus/adapters/embedded/journaled-providers';
import { BusModule } from '#lib/bus/bus.module';
import { SCORE_NOW_TIMEOUT_MS } from '#lib/contracts/pipeline';
import { MemoryArchive } from '#lib/conversations/adapters/memory-archive';
import { ConversationsModule } from '#lib/conversations/conversations.module';
import type { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { DatabaseModule } from '#lib/database/database.module';
import { JobsModule } from '#lib/jobs/jobs.module';
import { ObjectsModule } from '#lib/objects/objects.module';
import { ResilienceModule, type SharedResilience } from '#lib/resilience/resilience.module';
import type { FindConversation } from '#lib/scores/ends/adapters/memory-conversation-end-store';
import { ScoresModule } from '#lib/scores/scores.module';
import { type SharedVectors, VectorsModule } from '#lib/vectors/vectors.module';
import { CatalogueStoreModule } from './adapters/activities/catalogue-store.module.js';
import { ActivitiesModule } from './activities/activities.module.js';
import { LexicalIndexModule } from './adapters/search/lexical-index.module.js';
import { AuthModule } from '#lib/auth/auth.module';
import { userLimits } from './auth/user-limits.js';
import { ContextModule } from './context/context.module.js';
import { DocumentsModule } from './documents/documents.module.js';
import { FriendshipModule } from './friendship/friendship.module.js';
import { DevicesModule } from './devices/devices.module.js';
import { EndsModule } from './ends/ends.module.js';
import { ErasureModule } from './erasure/erasure.module.js';
import { LiveAdminModule } from './live-admin/live-admin.module.js';
import { LiveModule, type SharedLive } from '#lib/live/live.module';
import { LoadModule } from '#lib/database/load.module';
import { McpModule } from './adapters/mcp/mcp.module.js';
import { MessagesModule } from './messages/messages.module.js';
import { OperationsModule } from './operations/operations.module.js';
import { PresenceModule } from './presence/presence.module.js';
import { SearchModule } from './search/search.module.js';

const APP = 'gateway';

/** How ends find conversations on memory. */
const foundIn =
  (archive: MemoryArchive): FindConversation =>
  (id, userId) => {
    const conversation = archive.conversations.get(id);
    return conversation && { isMember: conversation.members.has(userId), headSeq: conversation.messages.length };
  };

/** What it shares with the other apps of one process, in place of servers. */
interface Shared {
  readonly resilience: SharedResilience;
  readonly lanes: PostgresLanes;
  readonly bus: SharedBus;
  readonly live: SharedLive;
  readonly vectors: SharedVectors;
}

const on = ({ resilience, lanes, bus, live, vectors }: Partial<Shared>): DynamicModule => ({
  module: GatewayModule,
  imports: [
    ResilienceModule.for(APP, { limiters: true }, resilience),
    DatabaseModule.for(APP, { relay: true, entities: 'reads', lockWaits: true, traces: true, warnsOfBudget: true }, lanes),
    BusModule.for(APP, { queues: true, asks: { timeoutMs: SCORE_NOW_TIMEOUT_MS }, deadLetters: true }, bus),
    ConversationsModule.forDeliveries('reads'),
    ConversationsModule.forUsers({ limits: userLimits }),
    ConversationsModule.forDocuments(),
    ConversationsModule.forWatching(),
    LiveModule.for(APP, { presence: true }, live),
    ScoresModule.for(APP),
    VectorsModule.forSearching(vectors),
    JobsModule.onPostgres(),
    ObjectsModule.configured(),
    LexicalIndexModule.onPostgres(),
    CatalogueStoreModule.onPostgres(),
    OperationsModule.in(bus === undefined ? 'cluster' : 'embedded'),
  ],
});

/** The gateway: what users and operators ask over HTTP. */
@Module({
  imports: [
    AuthModule,
    LoadModule,
    MessagesModule,
    SearchModule,
    ContextModule,
    McpModule,
    DevicesModule,
    FriendshipModule,
    PresenceModule,
    EndsModule,
    ActivitiesModule,
    DocumentsModule,
    LiveAdminModule,
    ErasureModule,
  ],
})
export class GatewayModule {
  /** On Postgres, RabbitMQ, Redis and Chroma. */
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
      module: GatewayModule,
      imports: [
        ResilienceModule.inMemory(),
        DatabaseModule.inMemory(),
        BusModule.inMemory(APP),
        ConversationsModule.inMemory({ limits: userLimits }),
        LiveModule.inMemory(),
        ScoresModule.inMemory({ inject: [MemoryArchive], useFactory: foundIn }),
        VectorsModule.inMemory(),
        JobsModule.inMemory(),
        ObjectsModule.inMemory(),
        LexicalIndexModule.inMemory(),
        CatalogueStoreModule.inMemory(),
        OperationsModule.in('cluster'),
      ],
    };
  }
}
