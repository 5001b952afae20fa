import { type DynamicModule, Module, type Provider, type Type } from '@nestjs/common';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import type { LaneName } from '#lib/database/pool-budget';
import { MemoryMessageSignals } from './signals/adapters/memory-message-signals.js';
import { PostgresMessageSignals } from './signals/adapters/postgres-message-signals.js';
import { MessageSignalsPort } from './signals/message-signals.port.js';

/** What scores are made of, and what came out of it. */
@Module({})
export class ScoresModule {
  /** MessageSignalsPort. @param app whose connections it takes: the gateway's for reading, every other app's for work. */
  static for(app: string): DynamicModule {
    const lane: LaneName = app === 'gateway' ? 'reads' : 'work';
    return of([
      {
        provide: MessageSignalsPort,
        inject: [PostgresLanes],
        useFactory: (lanes: PostgresLanes) => new PostgresMessageSignals(lanes.lane(lane)),
      },
    ]);
  }

  static inMemory(): DynamicModule {
    return of([{ provide: MessageSignalsPort, useFactory: () => new MemoryMessageSignals() }]);
  }
}

const of = (providers: Exclude<Provider, Type>[]): DynamicModule => ({
  module: ScoresModule,
  global: true,
  providers,
  exports: providers.map(({ provide }) => provide),
});
