import { type DynamicModule, Module } from '@nestjs/common';
import type { SharedBus } from '#lib/bus/adapters/embedded/journaled-providers';
import { BusModule } from '#lib/bus/bus.module';
import { MessageCreated } from '#lib/contracts/events';
import { EMBED_NOW_QUEUE } from '#lib/contracts/pipeline';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { DatabaseModule } from '#lib/database/database.module';
import { ResilienceModule, type SharedResilience } from '#lib/resilience/resilience.module';
import { type SharedVectors, VectorsModule } from '#lib/vectors/vectors.module';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import { DocumentIndexingPort } from '#lib/conversations/documents/document-indexing.port';
import { PostgresDocumentIndexing } from '#lib/conversations/documents/adapters/postgres-document-indexing';
import { ChunkThreads } from '#lib/vectors/chunking/adapters/chunk-threads';
import { EMBED_CALL_TIMEOUT_MS, EmbedderPort } from '#lib/vectors/embedder/embedder.port';
import { ChunkLedgerPort } from '#lib/vectors/ledger/chunk-ledger.port';
import { VectorStorePort } from '#lib/vectors/store/vector-store.port';
import { VectorWritesPort } from '#lib/vectors/store/vector-writes.port';
import { DocumentsConsumer } from './adapters/amqp/documents.consumer.js';
import { IndexDocument, WORK_MS } from './index-document.js';
import { MessagesConsumer } from './adapters/amqp/messages.consumer.js';
import { PostgresCurrentMessages } from './adapters/postgres-current-messages.js';
import { CurrentMessagesPort } from './current-messages.port.js';
import { EmbedNow } from './embed-now.js';
import { IndexMessages } from './index-messages.js';
import { MarkFailed } from './mark-failed.js';
import { WriteVectors } from './write-vectors.js';

const currentMessages = {
  provide: CurrentMessagesPort,
  inject: [PostgresLanes],
  useFactory: (lanes: PostgresLanes) => new PostgresCurrentMessages(lanes.lane('work')),
};

const documentIndexing = {
  provide: DocumentIndexingPort,
  inject: [PostgresLanes],
  useFactory: (lanes: PostgresLanes) => new PostgresDocumentIndexing(lanes.lane('work')),
};

const indexMessages = {
  provide: IndexMessages,
  inject: [CurrentMessagesPort, ChunkLedgerPort, EmbedderPort, VectorStorePort, VectorWritesPort],
  useFactory: (
    messages: CurrentMessagesPort,
    ledger: ChunkLedgerPort,
    embedder: EmbedderPort,
    vectors: VectorStorePort,
    writes: VectorWritesPort,
  ) => new IndexMessages(messages, ledger, embedder, vectors, new WriteVectors(vectors, writes)),
};

/** Batches of documents that may wait for their write; more than INDEX_WORKERS of each document are never under way. */
const MAX_WAITING_WRITES = 1_000;

const indexDocument = {
  provide: IndexDocument,
  inject: [
    DocumentIndexingPort,
    CurrentMessagesPort,
    ChunkLedgerPort,
    EmbedderPort,
    VectorStorePort,
    VectorWritesPort,
    CONFIG,
    LOGGER,
    Lifecycle,
  ],
  useFactory: (
    documents: DocumentIndexingPort,
    messages: CurrentMessagesPort,
    ledger: ChunkLedgerPort,
    embedder: EmbedderPort,
    vectors: VectorStorePort,
    writes: VectorWritesPort,
    config: Config,
    logger: Logger,
    lifecycle: Lifecycle,
  ) => {
    const threads = new ChunkThreads(config.CHUNK_WORKERS, logger);
    lifecycle.add({ name: 'chunk threads', phase: 'background', stop: () => threads.close() });
    // One at a time: a batch of messages never waits for more than one write of documents.
    const turns = new Semaphore('documents.write', { concurrent: 1, queued: MAX_WAITING_WRITES });
    const parts = new IndexMessages(messages, ledger, embedder, vectors, new WriteVectors(vectors, writes, turns), threads.chunk);
    return new IndexDocument(documents, parts, embedder.model, { batches: config.INDEX_WORKERS, workMs: WORK_MS });
  },
};

/** What it shares with the other apps of one process, in place of servers. */
interface Shared {
  readonly resilience: SharedResilience;
  readonly lanes: PostgresLanes;
  readonly bus: SharedBus;
  readonly vectors: SharedVectors;
}

const on = ({ resilience, lanes, bus, vectors }: Partial<Shared>): DynamicModule => ({
  module: EmbeddingModule,
  imports: [
    ResilienceModule.for('embedding', {}, resilience),
    DatabaseModule.for('embedding', {}, lanes),
    VectorsModule.forIndexing(vectors),
    BusModule.for(
      'embedding',
      {
        consumes: {
          concurrency: (config) => ({ 'embedding.messages': config.ML_EMBED_WORKERS }),
          deadLetters: MarkFailed,
          slowestCall: { name: 'one call of the embedder', timeoutMs: EMBED_CALL_TIMEOUT_MS },
        },
        answers: { queue: EMBED_NOW_QUEUE, question: MessageCreated, by: EmbedNow, concurrency: (config) => config.ML_EMBED_WORKERS },
      },
      bus,
    ),
  ],
});

/** The embedding process: turns messages and documents into vectors. */
@Module({
  controllers: [MessagesConsumer, DocumentsConsumer],
  providers: [indexMessages, indexDocument, EmbedNow, MarkFailed, currentMessages, documentIndexing],
})
export class EmbeddingModule {
  /** On Postgres, RabbitMQ and Chroma. */
  static live(): DynamicModule {
    return on({});
  }

  /** In one process with the other apps. */
  static embedded(shared: Shared): DynamicModule {
    return on(shared);
  }
}
