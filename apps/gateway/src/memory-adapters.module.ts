import { Module } from '@nestjs/common';
import { MemoryBus } from '#lib/bus/adapters/memory/memory-bus';
import { MemoryControlChannel } from '#lib/bus/adapters/memory/memory-control-channel';
import { MemoryDeadLetters } from '#lib/bus/adapters/memory/memory-dead-letters';
import { MemoryQueueStatus } from '#lib/bus/adapters/memory/memory-queue-status';
import { MemoryRequester } from '#lib/bus/adapters/memory/memory-requester';
import { ControlChannelPort } from '#lib/bus/control/control-channel.port';
import { RequesterPort } from '#lib/bus/request-reply/requester.port';
import { DeadLettersPort } from '#lib/bus/dead-letters/dead-letters.port';
import { PublisherPort } from '#lib/bus/publish/publisher.port';
import { QueueFill } from '#lib/bus/queue-status/queue-fill';
import { QueueStatusPort } from '#lib/bus/queue-status/queue-status.port';
import { MemoryArchive } from '#lib/conversations/adapters/memory-archive';
import { MemoryConversationStore } from '#lib/conversations/adapters/memory-conversation-store';
import { MemoryMessageStore } from '#lib/conversations/adapters/memory-message-store';
import { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { MemoryLockWaits } from '#lib/database/adapters/memory-lock-waits';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { LockWaitsPort } from '#lib/database/lock-waits.port';
import { OutboxPort } from '#lib/database/outbox/outbox.port';
import { MemoryRateLimiter } from '#lib/resilience/adapters/memory-rate-limiter';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { Health } from '#lib/runtime/health/health';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { LocalEmbedder } from '#lib/vectors/embedder/adapters/local-embedder';
import { MemoryChunkLedger } from '#lib/vectors/ledger/adapters/memory-chunk-ledger';
import { MemoryConsistencyRuns } from '#lib/vectors/consistency/adapters/memory-consistency-runs';
import { MemoryVectorStore } from '#lib/vectors/store/adapters/memory-vector-store';
import { ConsistencyRunsPort } from '#lib/vectors/consistency/consistency-runs.port';
import { ChunkLedgerPort } from '#lib/vectors/ledger/chunk-ledger.port';
import { EmbedderPort } from '#lib/vectors/embedder/embedder.port';
import { VectorStorePort } from '#lib/vectors/store/vector-store.port';
import { LIMITERS, userLimit } from '#lib/resilience/limit/limiters';
import { LexicalOverlapReranker } from './adapters/search/lexical-overlap-reranker.js';
import { MemoryLexicalIndex } from './adapters/search/memory-lexical-index.js';
import { PooledTextWork } from './adapters/search/pooled-text-work.js';
import { Connections } from './connections.js';
import { userLimits } from './auth/user-limits.js';
import { LexicalIndexPort } from './search/lexical-index.port.js';
import { LOCAL_NOISE_FLOOR, NearestMessages } from './search/nearest-messages.js';
import { RerankerPort } from './search/reranker.port.js';
import { TextWorkPort } from './search/text-work.port.js';

/** Nothing to connect to; the bus only has to stop its timers. */
class NoConnections extends Connections {
  constructor(private readonly bus: MemoryBus) {
    super();
  }

  override async start(): Promise<void> {
    // everything is here already
  }

  override async stop(): Promise<void> {
    this.bus.stop();
  }
}

/** The gateway without a server behind it: for the embedded mode, and for tests of everything above the adapters. */
@Module({
  providers: [
    { provide: MemoryArchive, useFactory: () => new MemoryArchive() },
    { provide: MemoryOutbox, useFactory: () => new MemoryOutbox() },
    {
      provide: MemoryBus,
      useFactory: ({ BUS_BUFFER_SIZE, BUS_PUBLISH_TIMEOUT_MS }: Config) =>
        new MemoryBus({ bufferSize: BUS_BUFFER_SIZE, publishTimeoutMs: BUS_PUBLISH_TIMEOUT_MS }),
      inject: [CONFIG],
    },
    { provide: EmbedderPort, useFactory: () => new LocalEmbedder() },
    { provide: VectorStorePort, useFactory: (embedder: EmbedderPort) => new MemoryVectorStore(embedder.dimension), inject: [EmbedderPort] },
    { provide: ChunkLedgerPort, useFactory: () => new MemoryChunkLedger() },
    {
      provide: MessageStorePort,
      useFactory: (archive: MemoryArchive, outbox: MemoryOutbox) => new MemoryMessageStore(archive, outbox),
      inject: [MemoryArchive, MemoryOutbox],
    },
    {
      provide: ConversationStorePort,
      useFactory: (archive: MemoryArchive, config: Config) => new MemoryConversationStore(archive, userLimits(config)),
      inject: [MemoryArchive, CONFIG],
    },
    {
      provide: LexicalIndexPort,
      useFactory: (archive: MemoryArchive) =>
        new MemoryLexicalIndex(() => [...archive.conversations.values()].flatMap(({ messages }) => messages)),
      inject: [MemoryArchive],
    },
    {
      provide: NearestMessages,
      useFactory: (embedder: EmbedderPort, vectors: VectorStorePort) =>
        new NearestMessages(() => ({ embedder, vectors }), LOCAL_NOISE_FLOOR),
      inject: [EmbedderPort, VectorStorePort],
    },
    {
      provide: TextWorkPort,
      useFactory: (config: Config, logger: Logger) => new PooledTextWork(config.TEXT_WORKERS, logger),
      inject: [CONFIG, LOGGER],
    },
    { provide: RerankerPort, useFactory: (text: TextWorkPort) => new LexicalOverlapReranker(text), inject: [TextWorkPort] },
    { provide: OutboxPort, useExisting: MemoryOutbox },
    { provide: PublisherPort, useExisting: MemoryBus },
    { provide: ConsistencyRunsPort, useFactory: () => new MemoryConsistencyRuns() },
    { provide: DeadLettersPort, useFactory: (bus: MemoryBus) => new MemoryDeadLetters(bus), inject: [MemoryBus] },
    { provide: QueueStatusPort, useFactory: (bus: MemoryBus) => new MemoryQueueStatus(bus), inject: [MemoryBus] },
    {
      provide: QueueFill,
      useFactory: (queues: QueueStatusPort, { BUS_BUFFER_SIZE }: Config) => new QueueFill(queues, () => BUS_BUFFER_SIZE),
      inject: [QueueStatusPort, CONFIG],
    },
    { provide: ControlChannelPort, useFactory: () => new MemoryControlChannel('gateway') },
    { provide: LockWaitsPort, useFactory: () => new MemoryLockWaits() },
    { provide: MemoryRequester, useFactory: () => new MemoryRequester() },
    { provide: RequesterPort, useExisting: MemoryRequester },
    {
      provide: LIMITERS,
      useFactory: ({ RATE_LIMIT_PER_USER, RATE_LIMIT_GLOBAL }: Config) => ({
        perUser: new MemoryRateLimiter(userLimit(RATE_LIMIT_PER_USER)),
        global: new MemoryRateLimiter({ ratePerSecond: RATE_LIMIT_GLOBAL, burst: Math.max(1, RATE_LIMIT_GLOBAL) }),
      }),
      inject: [CONFIG],
    },
    { provide: Connections, useFactory: (bus: MemoryBus) => new NoConnections(bus), inject: [MemoryBus] },
  ],
  exports: [
    MemoryArchive,
    MemoryBus,
    VectorStorePort,
    MessageStorePort,
    ConversationStorePort,
    ChunkLedgerPort,
    LexicalIndexPort,
    OutboxPort,
    NearestMessages,
    RerankerPort,
    TextWorkPort,
    PublisherPort,
    QueueStatusPort,
    ControlChannelPort,
    DeadLettersPort,
    ConsistencyRunsPort,
    QueueFill,
    LockWaitsPort,
    MemoryRequester,
    RequesterPort,
    LIMITERS,
    Connections,
  ],
})
export class MemoryAdaptersModule {
  constructor(health: Health) {
    health.add({ name: 'postgres', isVital: true, check: async () => undefined });
  }
}
