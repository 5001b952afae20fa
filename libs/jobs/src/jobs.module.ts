import { type DynamicModule, Module, type Provider, type Type } from '@nestjs/common';
import type { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import { DATA_SOURCE } from '#lib/database/data-source-token';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { MemoryJobStore } from './adapters/memory-job-store.js';
import { JobStorePort } from './job-store.port.js';

/** What long work is asked for and what came of it. Exports JobStorePort. */
@Module({})
export class JobsModule {
  /** In the table `jobs`. Needs DATA_SOURCE of DatabaseModule (`entities`). */
  static onPostgres(): DynamicModule {
    return of({
      provide: JobStorePort,
      inject: [DATA_SOURCE],
      useFactory: async (dataSource: LaneDataSource) =>
        // Imported here: it loads TypeORM, which the same on memory does not need.
        new (await import('./adapters/postgres-job-store.js')).PostgresJobStore(dataSource),
    });
  }

  /** Needs DatabaseModule.inMemory() for its outbox. */
  static inMemory(): DynamicModule {
    return of({ provide: JobStorePort, inject: [MemoryOutbox], useFactory: (outbox: MemoryOutbox) => new MemoryJobStore(outbox) });
  }
}

const of = (provider: Exclude<Provider, Type>): DynamicModule => ({
  module: JobsModule,
  global: true,
  providers: [provider],
  exports: [JobStorePort],
});
