import { type DynamicModule, type FactoryProvider, Module } from '@nestjs/common';
import type { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import { DATA_SOURCE } from '#lib/database/data-source-token';
import { CataloguePort } from '../../activities/catalogue.port.js';
import { MemoryCatalogue } from './memory-catalogue.js';

/** CataloguePort: what activities are suggested from. */
@Module({})
export class CatalogueStoreModule {
  /** Needs DATA_SOURCE of DatabaseModule. */
  static onPostgres(): DynamicModule {
    return of({
      inject: [DATA_SOURCE],
      // Imported here: it loads TypeORM, which the same on memory does not need.
      useFactory: async (dataSource: LaneDataSource) => new (await import('./postgres-catalogue.js')).PostgresCatalogue(dataSource),
    });
  }

  static inMemory(): DynamicModule {
    return of({ useFactory: () => new MemoryCatalogue() });
  }
}

const of = (factory: Omit<FactoryProvider<CataloguePort>, 'provide'>): DynamicModule => ({
  module: CatalogueStoreModule,
  global: true,
  providers: [{ provide: CataloguePort, ...factory }],
  exports: [CataloguePort],
});
