import { Inject, Injectable, Module } from '@nestjs/common';
import { RabbitDeadLetters } from '#lib/bus/adapters/rabbitmq/rabbit-dead-letters';
import { RabbitControlChannel } from '#lib/bus/adapters/rabbitmq/rabbit-control-channel';
import { controlChannelFor, publisherFor, queueStatusFor } from '#lib/bus/adapters/rabbitmq/rabbit-for';
import { RabbitPublisher } from '#lib/bus/adapters/rabbitmq/rabbit-publisher';
import { RabbitQueueStatus } from '#lib/bus/adapters/rabbitmq/rabbit-queue-status';
import { ControlChannelPort } from '#lib/bus/control/control-channel.port';
import { QueueFill } from '#lib/bus/queue-status/queue-fill';
import type { PipelineRows } from '#lib/bus/topology';
import { RabbitRequester } from '#lib/bus/adapters/rabbitmq/rabbit-requester';
import { RequesterPort } from '#lib/bus/request-reply/requester.port';
import { DeadLettersPort } from '#lib/bus/dead-letters/dead-letters.port';
import { PublisherPort } from '#lib/bus/publish/publisher.port';
import { QueueStatusPort } from '#lib/bus/queue-status/queue-status.port';
import type { DependencyName } from '#lib/contracts/dependencies';
import { PostgresConversationStore } from '#lib/conversations/adapters/postgres-conversation-store';
import { PostgresMessageStore } from '#lib/conversations/adapters/postgres-message-store';
import { EMBED_NOW_TIMEOUT_MS, pipeline } from '#lib/contracts/pipeline';
import { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { checkPoolBudget } from '#lib/database/adapters/lanes/check-pool-budget';
import { lanesFor } from '#lib/database/adapters/lanes/lanes-for';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import { PostgresLockWaits } from '#lib/database/adapters/postgres-lock-waits';
import { PostgresOutbox } from '#lib/database/outbox/adapters/postgres-outbox';
import { LockWaitsPort } from '#lib/database/lock-waits.port';
import { OutboxPort } from '#lib/database/outbox/outbox.port';
import { budgetedProcesses } from '#lib/database/pool-budget';
import { processName } from '#lib/runtime/process/process-name';
import { MemoryRateLimiter } from '#lib/resilience/adapters/memory-rate-limiter';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { connectRedis } from '#lib/resilience/adapters/redis-connection';
import { RedisBuckets } from '#lib/resilience/adapters/redis-buckets';
import { RedisRateLimiter } from '#lib/resilience/adapters/redis-rate-limiter';
import { Breakers } from '#lib/resilience/call/breakers';
import { LeasedRateLimiter } from '#lib/resilience/limit/leased-rate-limiter';
import { shareBreakers } from '#lib/resilience/call/share-breakers';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { Health, type HealthProbe } from '#lib/runtime/health/health';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { chromaHeartbeat, ChromaVectorStore } from '#lib/vectors/store/adapters/chroma-vector-store';
import { HttpFailure } from '#lib/vectors/adapters/json-over-http';
import { createEmbedder } from '#lib/vectors/embedder/adapters/create-embedder';
import { PostgresConsistencyRuns } from '#lib/vectors/consistency/adapters/postgres-consistency-runs';
import { PostgresChunkDirectory } from '#lib/vectors/store/adapters/postgres-chunk-directory';
import { PostgresChunkLedger } from '#lib/vectors/ledger/adapters/postgres-chunk-ledger';
import { ConsistencyRunsPort } from '#lib/vectors/consistency/consistency-runs.port';
import { ChunkLedgerPort } from '#lib/vectors/ledger/chunk-ledger.port';
import { LIMITERS, type Limiters, userLimit } from '#lib/resilience/limit/limiters';
import { QueryEmbedder } from '#lib/vectors/embedder/query-embedder';
import { LateMeaning } from './adapters/search/late-meaning.js';
import { LexicalOverlapReranker } from './adapters/search/lexical-overlap-reranker.js';
import { PooledTextWork } from './adapters/search/pooled-text-work.js';
import { PostgresLexicalIndex } from './adapters/search/postgres-lexical-index.js';
import { Connections } from './connections.js';
import { userLimits } from './auth/user-limits.js';
import { LexicalIndexPort } from './search/lexical-index.port.js';
import { LOCAL_NOISE_FLOOR, NearestMessages } from './search/nearest-messages.js';
import { RerankerPort } from './search/reranker.port.js';
import { TextWorkPort } from './search/text-work.port.js';

const APP = 'gateway';

type Redis = ReturnType<typeof connectRedis>;
/** The connection to Redis; undefined without REDIS_URL. */
const REDIS = Symbol('Redis');

/** The connections of a gateway in production, in the order in which they are let go. */
@Injectable()
class LiveConnections extends Connections {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(REDIS) private readonly redis: Redis | undefined,
    private readonly lanes: PostgresLanes,
    private readonly publisher: RabbitPublisher,
    private readonly queues: RabbitQueueStatus,
    private readonly requester: RabbitRequester,
    private readonly control: RabbitControlChannel,
    private readonly meaning: LateMeaning,
  ) {
    super();
  }

  override async start(): Promise<void> {
    if (this.redis === undefined) this.logger.info('no REDIS_URL: running as a single node, limits are counted in this process');
    await Promise.all([
      this.meaning.start(),
      this.publisher.start(),
      this.queues.start(),
      this.requester.start(),
      this.control.start(),
      this.explainPoolBudget(),
    ]);
  }

  override async stop(): Promise<void> {
    this.meaning.stop();
    this.redis?.disconnect();
    await Promise.all([this.publisher.stop(), this.queues.stop(), this.requester.stop(), this.control.stop()]);
    await this.lanes.close();
  }

  // A gateway that is being scaled out must not refuse to start; `migrate` is where a budget that does not fit stops a rollout.
  private async explainPoolBudget(): Promise<void> {
    const declared = { processes: budgetedProcesses(this.config), poolSize: this.config.DB_POOL_SIZE };
    try {
      await checkPoolBudget(this.lanes.lane('health'), declared, { logger: this.logger, whenExceeded: 'warn' });
    } catch (err) {
      this.logger.warn({ err }, 'Postgres does not answer: starting anyway, requests get 503 until it does');
    }
  }
}

@Module({
  providers: [
    { provide: Breakers, useFactory: (logger: Logger) => shareBreakers(createBreakers(), logger), inject: [LOGGER] },
    { provide: PostgresLanes, useFactory: lanesFor(APP), inject: [CONFIG, Breakers, LOGGER] },
    { provide: LaneDataSource, useFactory: (lanes: PostgresLanes) => LaneDataSource.over(lanes.lane('reads')), inject: [PostgresLanes] },
    { provide: RabbitPublisher, useFactory: publisherFor(APP), inject: [CONFIG, LOGGER] },
    { provide: RabbitQueueStatus, useFactory: queueStatusFor(APP), inject: [CONFIG, LOGGER] },
    { provide: RabbitControlChannel, useFactory: controlChannelFor(APP), inject: [CONFIG, LOGGER] },
    { provide: ControlChannelPort, useExisting: RabbitControlChannel },
    { provide: RabbitRequester, useFactory: rabbitRequester, inject: [CONFIG, LOGGER, Breakers] },
    { provide: REDIS, useFactory: redis, inject: [CONFIG, LOGGER] },
    { provide: LateMeaning, useFactory: lateMeaning, inject: [CONFIG, LOGGER, Breakers, PostgresLanes] },

    {
      provide: MessageStorePort,
      useFactory: (lanes: PostgresLanes) => new PostgresMessageStore(lanes.lane('sends'), lanes.lane('reads'), lanes.lane('edits')),
      inject: [PostgresLanes],
    },
    {
      provide: ConversationStorePort,
      useFactory: (lanes: PostgresLanes, config: Config) => new PostgresConversationStore(lanes.lane('reads'), userLimits(config)),
      inject: [PostgresLanes, CONFIG],
    },
    { provide: ChunkLedgerPort, useFactory: (lanes: PostgresLanes) => new PostgresChunkLedger(lanes, 'reads'), inject: [PostgresLanes] },
    {
      provide: LexicalIndexPort,
      useFactory: (lanes: PostgresLanes) => new PostgresLexicalIndex(lanes.lane('reads')),
      inject: [PostgresLanes],
    },
    { provide: OutboxPort, useFactory: (lanes: PostgresLanes) => new PostgresOutbox(lanes.lane('relay')), inject: [PostgresLanes] },
    {
      provide: NearestMessages,
      useFactory: (meaning: LateMeaning, config: Config) => new NearestMessages(meaning.get, noiseFloor(config)),
      inject: [LateMeaning, CONFIG],
    },
    {
      provide: TextWorkPort,
      useFactory: (config: Config, logger: Logger) => new PooledTextWork(config.TEXT_WORKERS, logger),
      inject: [CONFIG, LOGGER],
    },
    { provide: RerankerPort, useFactory: (text: TextWorkPort) => new LexicalOverlapReranker(text), inject: [TextWorkPort] },
    { provide: PublisherPort, useExisting: RabbitPublisher },
    {
      provide: ConsistencyRunsPort,
      useFactory: (dataSource: LaneDataSource) => new PostgresConsistencyRuns(dataSource),
      inject: [LaneDataSource],
    },
    { provide: DeadLettersPort, useFactory: deadLetters, inject: [CONFIG, RabbitPublisher, LOGGER] },
    { provide: QueueStatusPort, useExisting: RabbitQueueStatus },
    { provide: QueueFill, useFactory: (queues: RabbitQueueStatus) => new QueueFill(queues, capacityOf), inject: [RabbitQueueStatus] },
    { provide: LockWaitsPort, useFactory: (lanes: PostgresLanes) => new PostgresLockWaits(lanes.lane('health')), inject: [PostgresLanes] },
    { provide: RequesterPort, useExisting: RabbitRequester },
    { provide: LIMITERS, useFactory: limiters, inject: [CONFIG, Breakers, REDIS] },
    { provide: Connections, useClass: LiveConnections },
  ],
  exports: [
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
    RequesterPort,
    LIMITERS,
    Connections,
  ],
})
export class LiveAdaptersModule {
  constructor(
    health: Health,
    lanes: PostgresLanes,
    publisher: RabbitPublisher,
    queues: RabbitQueueStatus,
    @Inject(REDIS) connection: Redis | undefined,
    meaning: LateMeaning,
    breakers: Breakers,
    @Inject(CONFIG) config: Config,
  ) {
    for (const probe of probes(lanes, publisher, queues, connection, meaning, breakers, config)) health.add(probe);
  }
}

const rows: PipelineRows = pipeline;

// Every queue that has a status has a row; one without would have no limit.
const capacityOf = (queue: string): number => rows[queue]?.maxLength ?? Number.POSITIVE_INFINITY;

function rabbitRequester(config: Config, logger: Logger, breakers: Breakers): RabbitRequester {
  const { RABBITMQ_URL: url, BUS_HEARTBEAT_S: heartbeatS } = config;
  return new RabbitRequester({ url, app: APP, heartbeatS, breakers, logger, timeoutMs: EMBED_NOW_TIMEOUT_MS });
}

function deadLetters(
  { RABBITMQ_URL: url, BUS_HEARTBEAT_S: heartbeatS }: Config,
  publisher: RabbitPublisher,
  logger: Logger,
): DeadLettersPort {
  return new RabbitDeadLetters({ url, app: APP, heartbeatS, publisher, logger });
}

function redis(config: Config, logger: Logger): Redis | undefined {
  if (config.REDIS_URL === undefined) return undefined;
  return connectRedis(config.REDIS_URL, processName(APP), (error) => logger.debug({ error: error.message }, 'redis connection failed'));
}

function lateMeaning(config: Config, logger: Logger, breakers: Breakers, lanes: PostgresLanes): LateMeaning {
  const directory = new PostgresChunkDirectory(lanes.lane('reads'));
  return new LateMeaning(async () => {
    const embedder = new QueryEmbedder(await createEmbedder(config, breakers), breakers);
    const { model, dimension } = embedder;
    return {
      embedder,
      vectors: new ChromaVectorStore({ url: config.CHROMA_URL, token: config.CHROMA_TOKEN, model, dimension, directory }, breakers),
    };
  }, logger);
}

function limiters(config: Config, breakers: Breakers, connection: Redis | undefined): Limiters {
  const perUser = userLimit(config.RATE_LIMIT_PER_USER);
  const global = { ratePerSecond: config.RATE_LIMIT_GLOBAL, burst: Math.max(1, config.RATE_LIMIT_GLOBAL) };
  if (connection === undefined) return { perUser: new MemoryRateLimiter(perUser), global: new MemoryRateLimiter(global) };
  const buckets = new RedisBuckets(connection, breakers);
  const workers = config.WEB_CONCURRENCY;
  return {
    perUser: new RedisRateLimiter(buckets, 'user', perUser, workers),
    global: new LeasedRateLimiter(new RedisRateLimiter(buckets, 'global', global, workers), global),
  };
}

// Models differ too much for a number of their own, but what points away from the query is no answer.
function noiseFloor({ EMBEDDING_PROVIDER: provider }: Config): number {
  return provider === 'local' ? LOCAL_NOISE_FLOOR : 0;
}

// Health shows codes and never messages, which may hold addresses.
const unhealthy = (code: string): Error => Object.assign(new Error(code), { code });

function probes(
  lanes: PostgresLanes,
  publisher: RabbitPublisher,
  queues: RabbitQueueStatus,
  connection: Redis | undefined,
  meaning: LateMeaning,
  breakers: Breakers,
  config: Config,
): HealthProbe[] {
  const isChromaThere = chromaHeartbeat({ url: config.CHROMA_URL, token: config.CHROMA_TOKEN });
  const probe = (name: DependencyName, check: HealthProbe['check']): HealthProbe => ({
    name,
    check,
    isVital: name === 'postgres',
    breaker: () => ({ state: breakers.stateOf(name), since: breakers.sinceOf(name) }),
  });
  return [
    probe('postgres', async () => void (await lanes.lane('health').query('SELECT 1'))),
    probe('rabbitmq', async () => {
      if (!publisher.isHealthy) throw unhealthy('not-connected-or-blocked');
      if (!(await queues.isAnswering())) throw unhealthy('timeout');
      const [failure] = publisher.failures;
      if (failure !== undefined) return { degraded: `refuses ${failure.routingKey}: ${failure.code ?? failure.outcome}` };
      return publisher.drift === undefined ? undefined : { degraded: 'queues-differ' };
    }),
    ...(connection === undefined ? [] : [probe('redis', async () => void (await connection.ping()))]),
    probe('chroma', async (signal) => {
      try {
        await isChromaThere(signal);
      } catch (error) {
        throw error instanceof HttpFailure ? unhealthy(`http-${error.status}`) : error;
      }
    }),
    // A remote model costs money per text: one that was seen before is remembered, and the breaker knows how calls fare.
    probe('embedder', async () => void (await meaning.get().embedder.embed(['health']))),
  ];
}
