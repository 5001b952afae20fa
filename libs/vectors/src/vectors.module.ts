import { type DynamicModule, Module, type Provider, type Type } from '@nestjs/common';
import type { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { DATA_SOURCE } from '#lib/database/data-source-token';
import type { LaneName } from '#lib/database/pool-budget';
import { dependencyProbe } from '#lib/resilience/call/dependency-probe';
import { Breakers } from '#lib/resilience/call/breakers';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { Health } from '#lib/runtime/health/health';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { HttpFailure } from '#lib/resilience/adapters/http/json-request';
import { MemoryConsistencyRuns } from './consistency/adapters/memory-consistency-runs.js';
import { ConsistencyRunsPort } from './consistency/consistency-runs.port.js';
import { createEmbedder } from './embedder/adapters/create-embedder.js';
import { LocalEmbedder } from './embedder/adapters/local-embedder.js';
import { EmbedderPort } from './embedder/embedder.port.js';
import { QueryEmbedder } from './embedder/query-embedder.js';
import { LateVectors } from './late-vectors.js';
import { MemoryChunkLedger } from './ledger/adapters/memory-chunk-ledger.js';
import { PostgresChunkLedger } from './ledger/adapters/postgres-chunk-ledger.js';
import { ChunkLedgerPort } from './ledger/chunk-ledger.port.js';
import { chromaHeartbeat, type ChromaOptions, ChromaVectorStore } from './store/adapters/chroma-vector-store.js';
import { MemoryVectorStore } from './store/adapters/memory-vector-store.js';
import { MemoryVectorWrites } from './store/adapters/memory-vector-writes.js';
import { PostgresChunkDirectory } from './store/adapters/postgres-chunk-directory.js';
import type { PostgresVectorStore } from './store/adapters/postgres-vector-store.js';
import { PostgresVectorWrites } from './store/adapters/postgres-vector-writes.js';
import { LateVectorStore } from './store/late-vector-store.js';
import { VectorStorePort } from './store/vector-store.port.js';
import { VectorWritesPort } from './store/vector-writes.port.js';

type OwnProvider = Exclude<Provider, Type>;

/** The embedder and the vectors that the apps of one process share; who makes them closes them. */
export interface SharedVectors {
  readonly embedder: EmbedderPort;
  readonly vectors: PostgresVectorStore;
}

/** Embedder, vector store, the ledger of what is indexed, and the runs that compare them. Each way in exports what its kind of process needs. */
@Module({})
export class VectorsModule {
  /** EmbedderPort, VectorStorePort, ChunkLedgerPort, VectorWritesPort. A model that must be asked for its dimension has to answer at start. */
  static forIndexing(shared?: SharedVectors): DynamicModule {
    if (shared !== undefined) return of([...builtFrom(shared), ledger('work'), vectorWrites]);
    return of([
      { provide: EmbedderPort, inject: [CONFIG, Breakers, Lifecycle], useFactory: embedderForIndexing },
      {
        provide: VectorStorePort,
        inject: [CONFIG, EmbedderPort, Breakers, Lifecycle],
        useFactory: (config: Config, embedder: EmbedderPort, breakers: Breakers, lifecycle: Lifecycle) => {
          const store = chromaStore(config, embedder, breakers, { indexWorkers: config.INDEX_WORKERS });
          lifecycle.add({ name: 'vector store', phase: 'stores', stop: () => store.close() });
          return store;
        },
      },
      ledger('work'),
      vectorWrites,
    ]);
  }

  /** LateVectors, which open at start or later; ChunkLedgerPort and ConsistencyRunsPort to read. Adds the probes `chroma` and `embedder`. */
  static forSearching(shared?: SharedVectors): DynamicModule {
    return of([
      shared === undefined
        ? {
            provide: LateVectors,
            inject: [CONFIG, LOGGER, Breakers, PostgresLanes, Lifecycle, Health],
            useFactory: vectorsForSearching,
          }
        : { provide: LateVectors, inject: [LOGGER, Breakers, Lifecycle, Health], useFactory: sharedForSearching(shared) },
      ledger('reads'),
      consistencyRuns,
    ]);
  }

  /** VectorStorePort, which its first call opens; VectorWritesPort and ConsistencyRunsPort. */
  static forUpkeep(shared?: SharedVectors): DynamicModule {
    return of([
      shared === undefined
        ? { provide: VectorStorePort, inject: [CONFIG, LOGGER, Breakers, Lifecycle], useFactory: storeForUpkeep }
        : { provide: VectorStorePort, useValue: shared.vectors },
      vectorWrites,
      consistencyRuns,
    ]);
  }

  /** All of them, with the `local` embedder. */
  static inMemory(): DynamicModule {
    return of([
      { provide: EmbedderPort, useFactory: () => new LocalEmbedder() },
      { provide: VectorStorePort, inject: [EmbedderPort], useFactory: ({ dimension }: EmbedderPort) => new MemoryVectorStore(dimension) },
      { provide: LateVectors, inject: [EmbedderPort, VectorStorePort, LOGGER, Lifecycle], useFactory: vectorsInMemory },
      { provide: ChunkLedgerPort, useFactory: () => new MemoryChunkLedger() },
      { provide: VectorWritesPort, useFactory: () => new MemoryVectorWrites() },
      { provide: ConsistencyRunsPort, useFactory: () => new MemoryConsistencyRuns() },
    ]);
  }
}

const of = (providers: OwnProvider[]): DynamicModule => ({
  module: VectorsModule,
  global: true,
  providers,
  exports: providers.map(({ provide }) => provide),
});

const chromaStore = (
  { CHROMA_URL: url, CHROMA_TOKEN: token }: Config,
  { model, dimension }: EmbedderPort,
  breakers: Breakers,
  options: Pick<ChromaOptions, 'indexWorkers' | 'directory'> = {},
): ChromaVectorStore => new ChromaVectorStore({ url, token, model, dimension, ...options }, breakers);

const ledger = (lane: LaneName): OwnProvider => ({
  provide: ChunkLedgerPort,
  inject: [PostgresLanes],
  useFactory: (lanes: PostgresLanes) => new PostgresChunkLedger(lanes, lane),
});

const consistencyRuns: OwnProvider = {
  provide: ConsistencyRunsPort,
  inject: [DATA_SOURCE],
  useFactory: async (dataSource: LaneDataSource) =>
    new (await import('./consistency/adapters/postgres-consistency-runs.js')).PostgresConsistencyRuns(dataSource),
};

const vectorWrites: OwnProvider = {
  provide: VectorWritesPort,
  inject: [PostgresLanes],
  useFactory: (lanes: PostgresLanes) => new PostgresVectorWrites(lanes.lane('work')),
};

const embedderForIndexing = async (config: Config, breakers: Breakers, lifecycle: Lifecycle): Promise<EmbedderPort> => {
  const embedder = await createEmbedder(config, breakers);
  lifecycle.add({ name: 'embedder', phase: 'stores', stop: () => embedder.close() });
  return embedder;
};

const storeForUpkeep = (config: Config, logger: Logger, breakers: Breakers, lifecycle: Lifecycle): VectorStorePort => {
  const late = new LateVectors(async () => {
    const embedder = await createEmbedder(config, breakers);
    return { embedder, vectors: chromaStore(config, embedder, breakers) };
  }, logger);
  lifecycle.add({ name: 'vectors', phase: 'stores', stop: () => late.stop() });
  return new LateVectorStore(late);
};

const vectorsForSearching = (
  config: Config,
  logger: Logger,
  breakers: Breakers,
  lanes: PostgresLanes,
  lifecycle: Lifecycle,
  health: Health,
): LateVectors => {
  const directory = new PostgresChunkDirectory(lanes.lane('reads'));
  const late = new LateVectors(async () => {
    const embedder = new QueryEmbedder(await createEmbedder(config, breakers), breakers);
    return { embedder, vectors: chromaStore(config, embedder, breakers, { directory }) };
  }, logger);
  lifecycle.add({ name: 'vectors', phase: 'stores', start: () => late.start(), stop: () => late.stop() });
  health.add(dependencyProbe('chroma', breakers, chromaCheck(config)));
  // A remote model costs money per text: one that was seen before is cached, and the breaker knows how calls fare.
  health.add(dependencyProbe('embedder', breakers, async () => void (await late.get().embedder.embed(['health']))));
  return late;
};

const builtFrom = ({ embedder, vectors }: SharedVectors): OwnProvider[] => [
  { provide: EmbedderPort, useValue: embedder },
  { provide: VectorStorePort, useValue: vectors },
];

const sharedForSearching =
  ({ embedder, vectors }: SharedVectors) =>
  (logger: Logger, breakers: Breakers, lifecycle: Lifecycle, health: Health): LateVectors => {
    const query = new QueryEmbedder(embedder, breakers);
    const late = new LateVectors(async () => ({ embedder: query, vectors }), logger);
    lifecycle.add({ name: 'vectors', phase: 'stores', start: () => late.start() });
    health.add(dependencyProbe('chroma', breakers, async () => vectors.check()));
    health.add(dependencyProbe('embedder', breakers, async () => void (await query.embed(['health']))));
    return late;
  };

const chromaCheck = ({ CHROMA_URL: url, CHROMA_TOKEN: token }: Config) => {
  const isChromaThere = chromaHeartbeat({ url, token });
  return async (signal: AbortSignal): Promise<void> => {
    try {
      await isChromaThere(signal);
    } catch (error) {
      // Health shows codes and never messages, which may hold addresses.
      throw error instanceof HttpFailure ? Object.assign(new Error('refused'), { code: `http-${error.status}` }) : error;
    }
  };
};

const vectorsInMemory = (embedder: EmbedderPort, vectors: VectorStorePort, logger: Logger, lifecycle: Lifecycle): LateVectors => {
  const late = new LateVectors(async () => ({ embedder, vectors }), logger);
  lifecycle.add({ name: 'vectors', phase: 'stores', start: () => late.start() });
  return late;
};
