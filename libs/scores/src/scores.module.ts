import { type DynamicModule, type FactoryProvider, Module, type Provider, type Type } from '@nestjs/common';
import type { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import { DATA_SOURCE } from '#lib/database/data-source-token';
import { MemoryFriendshipStore } from './friendship/adapters/memory-friendship-store.js';
import { FriendshipStorePort } from './friendship/friendship-store.port.js';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import type { LaneName } from '#lib/database/pool-budget';
import { type FindConversation, MemoryConversationEndStore } from './ends/adapters/memory-conversation-end-store.js';
import { ConversationEndStorePort } from './ends/conversation-end-store.port.js';
import { MemoryMessageSignals } from './signals/adapters/memory-message-signals.js';
import { PostgresMessageSignals } from './signals/adapters/postgres-message-signals.js';
import { MessageSignalsPort } from './signals/message-signals.port.js';

type Conversations = Pick<FactoryProvider<FindConversation>, 'inject' | 'useFactory'>;
const CONVERSATIONS = Symbol('FindConversation');

// Imported here: it loads TypeORM, which the same on memory does not need.
const endsOver = async (lane: PostgresLane): Promise<ConversationEndStorePort> => {
  const { LaneDataSource } = await import('#lib/database/adapters/lane-data-source');
  const { PostgresConversationEndStore } = await import('./ends/adapters/postgres-conversation-end-store.js');
  return new PostgresConversationEndStore(await LaneDataSource.over(lane));
};

/** What scores are made of, and what came out of it. */
@Module({})
export class ScoresModule {
  /**
   * MessageSignalsPort, ConversationEndStorePort, and FriendshipStorePort, which needs DATA_SOURCE of DatabaseModule. @param app whose
   * connections it takes: the gateway's for reading, every other app's for work.
   */
  static for(app: string): DynamicModule {
    const lane: LaneName = app === 'gateway' ? 'reads' : 'work';
    return of([
      {
        provide: MessageSignalsPort,
        inject: [PostgresLanes],
        useFactory: (lanes: PostgresLanes) => new PostgresMessageSignals(lanes.lane(lane)),
      },
      {
        provide: FriendshipStorePort,
        inject: [PostgresLanes, DATA_SOURCE],
        useFactory: async (lanes: PostgresLanes, dataSource: LaneDataSource) =>
          // Imported here: it loads TypeORM, which the same on memory does not need.
          new (await import('./friendship/adapters/postgres-friendship-store.js')).PostgresFriendshipStore(lanes.lane(lane), dataSource),
      },
      {
        provide: ConversationEndStorePort,
        inject: [PostgresLanes],
        // A log of megabytes holds its connection for a while: in the gateway one of those that heavy edits have.
        useFactory: (lanes: PostgresLanes) => endsOver(lanes.lane(app === 'gateway' ? 'edits' : 'work')),
      },
    ]);
  }

  /** @param conversations how ends find conversations of Parley; default: there are none. */
  static inMemory(conversations: Conversations = { inject: [], useFactory: () => () => undefined }): DynamicModule {
    return of([
      { provide: MessageSignalsPort, useFactory: () => new MemoryMessageSignals() },
      { provide: FriendshipStorePort, useFactory: () => new MemoryFriendshipStore() },
      { provide: CONVERSATIONS, ...conversations },
      {
        provide: ConversationEndStorePort,
        inject: [MemoryOutbox, CONVERSATIONS],
        useFactory: (outbox: MemoryOutbox, find: FindConversation) => new MemoryConversationEndStore(outbox, find),
      },
    ]);
  }
}

const of = (providers: Exclude<Provider, Type>[]): DynamicModule => ({
  module: ScoresModule,
  global: true,
  providers,
  exports: providers.map(({ provide }) => provide),
});
