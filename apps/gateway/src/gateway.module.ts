import { type DynamicModule, Module, type OnApplicationBootstrap, type OnApplicationShutdown, type Type } from '@nestjs/common';
import { DeadLetters } from '#lib/bus/dead-letters/dead-letters';
import { DeadLettersPort } from '#lib/bus/dead-letters/dead-letters.port';
import { ControlChannelPort } from '#lib/bus/control/control-channel.port';
import { PipelineTroubles } from '#lib/bus/queue-status/pipeline-trouble';
import { QueueFill } from '#lib/bus/queue-status/queue-fill';
import { QueueStatusPort } from '#lib/bus/queue-status/queue-status.port';
import { QueueWatch } from '#lib/bus/queue-status/queue-watch';
import { PublisherPort } from '#lib/bus/publish/publisher.port';
import { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { OutboxPort } from '#lib/database/outbox/outbox.port';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { ParkedEvents } from '#lib/database/outbox/parked-events';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import { MemoryPressure, memoryLimitBytes, memoryUse } from '#lib/resilience/load/memory-pressure';
import { Pressure, type PressureSource, sustained } from '#lib/resilience/load/pressure';
import { ProcessModule } from '#lib/runtime/process/process.module';
import { Health, type HealthProbe } from '#lib/runtime/health/health';
import { CONFIG, type Config, ConfigError } from '#lib/runtime/config/config';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import type { ProcessParts } from '#lib/runtime/process/run-process';
import { ChunkLedgerPort } from '#lib/vectors/ledger/chunk-ledger.port';
import { AdminConsistencyController } from './adapters/http/routes/admin/consistency.controller.js';
import { AdminDeadLettersController } from './adapters/http/routes/admin/dead-letters.controller.js';
import { AdminOutboxController } from './adapters/http/routes/admin/outbox.controller.js';
import { AdminProcessesController } from './adapters/http/routes/admin/processes.controller.js';
import { AdminQueuesController } from './adapters/http/routes/admin/queues.controller.js';
import { ContextController } from './adapters/http/routes/context.controller.js';
import { ConversationsController } from './adapters/http/routes/conversations.controller.js';
import { HealthController } from './adapters/http/routes/health.controller.js';
import { HomePageController } from './adapters/http/routes/home-page.controller.js';
import { MessageController } from './adapters/http/routes/message.controller.js';
import { MessagesController } from './adapters/http/routes/messages.controller.js';
import { ProblemsPageController } from './adapters/http/routes/problems-page.controller.js';
import { SearchController } from './adapters/http/routes/search.controller.js';
import { CachedTokenCounter } from './adapters/search/cached-token-counter.js';
import { RemoteKeys } from './adapters/auth/jose-remote-keys.js';
import { JoseTokenVerifier } from './adapters/auth/jose-token-verifier.js';
import { TokenVerifierPort } from './auth/token-verifier.port.js';
import { Connections } from './connections.js';
import { BuildContext } from './context/build-context.js';
import { ListConversations } from './conversations/list-conversations.js';
import { DeleteMessage } from './messages/delete-message.js';
import { EmbedNow } from './messages/embed-now.js';
import { EditMessage } from './messages/edit-message.js';
import { ShowMessages } from './messages/show-messages.js';
import { StoreMessage } from './messages/store-message.js';
import { BoundedReranker } from './search/bounded-reranker.js';
import { LexicalIndexPort } from './search/lexical-index.port.js';
import { NearestMessages } from './search/nearest-messages.js';
import { RerankerPort } from './search/reranker.port.js';
import { SearchMessages } from './search/search-messages.js';
import { TextWorkPort } from './search/text-work.port.js';

/**
 * The gateway on a module of adapters (live-adapters.module.ts or memory-adapters.module.ts), which must provide
 * ConversationStorePort, MessageStorePort, ChunkLedgerPort, LexicalIndexPort, NearestMessages, RerankerPort, TextWorkPort, OutboxPort,
 * PublisherPort, QueueStatusPort, ControlChannelPort, DeadLettersPort, ConsistencyBoardPort, QueueFill, RequesterPort, LockWaitsPort, LIMITERS and Connections.
 */
@Module({})
export class GatewayModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    private readonly connections: Connections,
    private readonly relay: OutboxRelay,
    private readonly pressure: Pressure,
    private readonly memory: MemoryPressure,
    private readonly text: TextWorkPort,
    private readonly queues: QueueWatch,
    private readonly health: Health,
  ) {}

  static on(adapters: Type, parts: ProcessParts): DynamicModule {
    return {
      module: GatewayModule,
      imports: [ProcessModule.of(parts), adapters],
      controllers: [
        MessagesController,
        MessageController,
        ConversationsController,
        SearchController,
        ContextController,
        AdminQueuesController,
        AdminDeadLettersController,
        AdminOutboxController,
        AdminConsistencyController,
        AdminProcessesController,
        HealthController,
        ProblemsPageController,
        HomePageController,
      ],
      providers: [
        StoreMessage,
        EmbedNow,
        EditMessage,
        DeleteMessage,
        ShowMessages,
        ListConversations,
        { provide: OutboxRelay, useFactory: outboxRelay, inject: [OutboxPort, PublisherPort, CONFIG, LOGGER] },
        {
          provide: ParkedEvents,
          useFactory: (outbox: OutboxPort, logger: Logger) => new ParkedEvents(outbox, logger),
          inject: [OutboxPort, LOGGER],
        },
        {
          provide: DeadLetters,
          useFactory: (letters: DeadLettersPort, logger: Logger) => new DeadLetters(letters, logger),
          inject: [DeadLettersPort, LOGGER],
        },
        {
          provide: QueueWatch,
          useFactory: (queues: QueueStatusPort, control: ControlChannelPort) => new QueueWatch(queues, control),
          inject: [QueueStatusPort, ControlChannelPort],
        },
        { provide: Pressure, useFactory: pressure, inject: [QueueFill, OutboxRelay, PublisherPort, CONFIG, LOGGER] },
        { provide: MemoryPressure, useFactory: memoryPressure, inject: [CONFIG, LOGGER] },
        {
          provide: SearchMessages,
          useFactory: searchMessages,
          inject: [
            ConversationStorePort,
            MessageStorePort,
            LexicalIndexPort,
            NearestMessages,
            RerankerPort,
            TextWorkPort,
            Pressure,
            CONFIG,
            LOGGER,
          ],
        },
        {
          provide: BuildContext,
          useFactory: (messages: MessageStorePort, ledger: ChunkLedgerPort, search: SearchMessages, text: TextWorkPort) =>
            new BuildContext(messages, ledger, search, new CachedTokenCounter(text)),
          inject: [MessageStorePort, ChunkLedgerPort, SearchMessages, TextWorkPort],
        },
        { provide: TokenVerifierPort, useFactory: tokenVerifier, inject: [CONFIG] },
      ],
    };
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.connections.start();
    this.relay.start();
    this.pressure.start();
    this.memory.start();
    this.health.add(pipelineProbe(this.queues, this.relay));
    this.health.start();
  }

  /** Nest calls this when the last request has been answered. What the relay still has stays in the outbox. */
  async onApplicationShutdown(): Promise<void> {
    this.health.stop();
    this.pressure.stop();
    this.memory.stop();
    await Promise.all([this.text.close(), this.relay.stop()]);
    await this.connections.stop();
  }
}

/** Whether events get where they should: degraded, never down, because everything that was accepted is kept. */
const pipelineProbe = (queues: QueueWatch, relay: OutboxRelay): HealthProbe => {
  const troubles = new PipelineTroubles();
  return {
    name: 'pipeline',
    check: async () => {
      const found = troubles.find(await queues.read(), relay.depth?.oldestAgeSeconds);
      return found.length === 0 ? undefined : { degraded: found.join(', ') };
    },
  };
};

const outboxRelay = (outbox: OutboxPort, publisher: PublisherPort, config: Config, logger: Logger) =>
  new OutboxRelay(outbox, publisher, { sweepMs: config.OUTBOX_SWEEP_MS, graceMs: config.OUTBOX_GRACE_MS }, logger);

/** Looks at the confirm window three times before it believes that it is full: a burst fills it for a moment. */
const WINDOW_LOOKS = 3;

/** What fills up when events come faster than they are handled, and how far each may raise the level (ruling C4). */
const pressure = (queues: QueueFill, relay: OutboxRelay, publisher: PublisherPort, config: Config, logger: Logger) => {
  const share = (value: number | undefined, of: number) => (value === undefined ? undefined : value / of);
  const sources: readonly PressureSource[] = [
    { name: 'queues', read: () => queues.read() },
    { name: 'outbox', read: () => share(relay.depth?.pending, config.OUTBOX_MAX_PENDING) },
    { name: 'outbox_age', read: () => share(relay.depth?.oldestAgeSeconds, config.OUTBOX_MAX_AGE_S) },
    // What finds no place in there waits in the outbox, so it alone refuses nobody (law 2).
    { name: 'publish_buffer', read: sustained(() => publisher.bufferUsed, WINDOW_LOOKS), atMost: 'warn' },
  ];
  return new Pressure(sources, logger);
};

const memoryPressure = (config: Config, logger: Logger) => {
  const limitBytes = memoryLimitBytes(config.MEMORY_LIMIT_BYTES, config.WEB_CONCURRENCY);
  return new MemoryPressure(() => memoryUse(limitBytes), logger);
};

const searchMessages = (
  conversations: ConversationStorePort,
  messages: MessageStorePort,
  lexical: LexicalIndexPort,
  nearest: NearestMessages,
  reranker: RerankerPort,
  text: TextWorkPort,
  calm: Pressure,
  config: Config,
  logger: Logger,
) => {
  const searches = new Semaphore('search', { concurrent: config.SEARCH_WORKERS, queued: config.SEARCH_QUEUE_SIZE });
  // Whoever searches already waited for a place there, so as many as search may wait here.
  const reranks = new Semaphore('rerank', { concurrent: config.ML_RERANK_WORKERS, queued: config.SEARCH_WORKERS });
  const stages = { lexical, nearest, reranker: new BoundedReranker(reranker, reranks, calm), text };
  return new SearchMessages(conversations, messages, stages, searches, logger);
};

const tokenVerifier = (config: Config) => {
  const { AUTH_JWT_SECRET: secret, AUTH_JWKS_URL: jwksUrl, AUTH_AUDIENCE: audience } = config;
  if (secret === undefined && jwksUrl === undefined) {
    throw new ConfigError(['AUTH_JWT_SECRET or AUTH_JWKS_URL: the gateway needs at least one of them to know whom it may trust']);
  }
  const remote = jwksUrl === undefined ? undefined : new RemoteKeys(new URL(jwksUrl));
  return new JoseTokenVerifier({ secret, remote }, audience, config.AUTH_TOKEN_MAX_LIFE_S);
};
