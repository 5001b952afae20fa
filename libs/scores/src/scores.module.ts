import { type DynamicModule, Module, type Provider, type Type } from '@nestjs/common';
import type { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { DATA_SOURCE } from '#lib/database/data-source-token';
import type { LaneName } from '#lib/database/pool-budget';
import { MemoryFriendshipStore } from './friendship/adapters/memory-friendship-store.js';
import { FriendshipStorePort } from './friendship/friendship-store.port.js';
import { MemoryMessageSignals } from './signals/adapters/memory-message-signals.js';
import { PostgresMessageSignals } from './signals/adapters/postgres-message-signals.js';
import { MessageSignalsPort } from './signals/message-signals.port.js';

/** What scores are made of, and what came out of it. */
@Module({})
export class ScoresModule {
  /** MessageSignalsPort and FriendshipStorePort, which needs DATA_SOURCE of DatabaseModule. @param app whose connections it takes: the gateway's for reading, every other app's for work. */
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
        inject: [DATA_SOURCE],
        useFactory: async (dataSource: LaneDataSource) =>
          // Imported here: it loads TypeORM, which the same on memory does not need.
          new (await import('./friendship/adapters/postgres-friendship-store.js')).PostgresFriendshipStore(dataSource),
      },
    ]);
  }

  static inMemory(): DynamicModule {
    return of([
      { provide: MessageSignalsPort, useFactory: () => new MemoryMessageSignals() },
      { provide: FriendshipStorePort, useFactory: () => new MemoryFriendshipStore() },
    ]);
  }
}

const of = (providers: Exclude<Provider, Type>[]): DynamicModule => ({
  module: ScoresModule,
  global: true,
  providers,
  exports: providers.map(({ provide }) => provide),
});
