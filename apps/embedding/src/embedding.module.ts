import { type DynamicModule, Module } from '@nestjs/common';
import { OriginalErrors } from '#lib/bus/adapters/nest/original-errors.filter';
import { RabbitControlChannel } from '#lib/bus/adapters/rabbitmq/rabbit-control-channel';
import { controlChannelFor, publisherFor } from '#lib/bus/adapters/rabbitmq/rabbit-for';
import { RabbitPublisher } from '#lib/bus/adapters/rabbitmq/rabbit-publisher';
import { RabbitResponder } from '#lib/bus/adapters/rabbitmq/rabbit-responder';
import { RabbitServer } from '#lib/bus/adapters/rabbitmq/rabbit-server';
import { MessageCreated } from '#lib/contracts/events';
import { EMBED_NOW_QUEUE, pipeline, requests } from '#lib/contracts/pipeline';
import { lanesFor } from '#lib/database/adapters/lanes/lanes-for';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { Breakers } from '#lib/resilience/call/breakers';
import { shareBreakers } from '#lib/resilience/call/share-breakers';
import { handlerChain, verifyTimeoutChain } from '#lib/resilience/call/timeout-chain';
import { ProcessModule } from '#lib/runtime/process/process.module';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { createOperationsApp } from '#lib/runtime/process/http-server';
import type { ProcessParts } from '#lib/runtime/process/run-process';
import { ChromaVectorStore } from '#lib/vectors/store/adapters/chroma-vector-store';
import { createEmbedder } from '#lib/vectors/embedder/adapters/create-embedder';
import { PostgresChunkLedger } from '#lib/vectors/ledger/adapters/postgres-chunk-ledger';
import { PostgresVectorWrites } from '#lib/vectors/store/adapters/postgres-vector-writes';
import { ChunkLedgerPort } from '#lib/vectors/ledger/chunk-ledger.port';
import { EMBED_CALL_TIMEOUT_MS, EmbedderPort } from '#lib/vectors/embedder/embedder.port';
import { VectorStorePort } from '#lib/vectors/store/vector-store.port';
import { VectorWritesPort } from '#lib/vectors/store/vector-writes.port';
import { MessagesConsumer } from './adapters/amqp/messages.consumer.js';
import { PostgresCurrentMessages } from './adapters/postgres-current-messages.js';
import { CurrentMessagesPort } from './current-messages.port.js';
import { IndexMessages } from './index-messages.js';
import { MarkFailed } from './mark-failed.js';
import { WriteVectors } from './write-vectors.js';

const APP = 'embedding';

/** Chooses the adapters of the embedding process. Building it reaches nobody: connections are made at start and by first use. */
@Module({})
export class EmbeddingModule {
  static of(parts: ProcessParts): DynamicModule {
    return {
      module: EmbeddingModule,
      imports: [ProcessModule.of(parts)],
      controllers: [MessagesConsumer],
      providers: [
        IndexMessages,
        MarkFailed,
        WriteVectors,
        { provide: Breakers, useFactory: (logger: Logger) => shareBreakers(createBreakers(), logger), inject: [LOGGER] },
        { provide: PostgresLanes, inject: [CONFIG, Breakers, LOGGER], useFactory: lanesFor(APP) },
        { provide: ChunkLedgerPort, inject: [PostgresLanes], useFactory: (lanes: PostgresLanes) => new PostgresChunkLedger(lanes) },
        {
          provide: CurrentMessagesPort,
          inject: [PostgresLanes],
          useFactory: (lanes: PostgresLanes) => new PostgresCurrentMessages(lanes.lane('work')),
        },
        {
          provide: VectorWritesPort,
          inject: [PostgresLanes],
          useFactory: (lanes: PostgresLanes) => new PostgresVectorWrites(lanes.lane('work')),
        },
        { provide: EmbedderPort, inject: [CONFIG, Breakers], useFactory: createEmbedder },
        { provide: VectorStorePort, inject: [CONFIG, EmbedderPort, Breakers], useFactory: vectorStore },
        { provide: RabbitPublisher, inject: [CONFIG, LOGGER], useFactory: publisherFor(APP) },
        { provide: RabbitControlChannel, inject: [CONFIG, LOGGER], useFactory: controlChannelFor(APP) },
        { provide: RabbitServer, inject: [CONFIG, RabbitPublisher, Breakers, MarkFailed, LOGGER], useFactory: rabbitServer },
        { provide: RabbitResponder, inject: [CONFIG, IndexMessages, LOGGER], useFactory: embedNowResponder },
      ],
    };
  }
}

/**
 * Builds the process and starts to consume; resolves when it listens, also when everything that it depends on is away.
 * @returns what stops it in the order of messaging rule 10: handlers finish, what they published is confirmed, connections close.
 */
export async function startEmbedding(parts: ProcessParts): Promise<() => Promise<void>> {
  const { config, readiness } = parts;
  const handler = { queue: 'embedding.messages', deadlineMs: pipeline['embedding.messages'].deadlineMs };
  verifyTimeoutChain(handlerChain(config, handler, { name: 'one call of the embedder', timeoutMs: EMBED_CALL_TIMEOUT_MS }));
  const app = await createOperationsApp(EmbeddingModule.of(parts));
  const publisher = app.get(RabbitPublisher);
  const server = app.get(RabbitServer);
  const responder = app.get(RabbitResponder);
  readiness.holdWhile(() => (publisher.drift ?? server.drift ?? responder.drift)?.message);
  // Deferred, because a filter that is added after initialization is ignored.
  app.connectMicroservice({ strategy: server }, { deferInitialization: true }).useGlobalFilters(new OriginalErrors());
  await app.listen(config.PORT, config.HOST);
  await Promise.all([publisher.start(), app.get(RabbitControlChannel).start()]);
  await app.startAllMicroservices();
  await responder.start();
  return async () => {
    await Promise.all([server.close(), responder.stop()]);
    await Promise.all([publisher.stop(), app.get(RabbitControlChannel).stop()]);
    await app.get(PostgresLanes).close();
    await app.close(); // last, so that /livez and /metrics answer during the drain
  };
}

const vectorStore = (config: Config, { model, dimension }: EmbedderPort, breakers: Breakers): ChromaVectorStore =>
  new ChromaVectorStore(
    { url: config.CHROMA_URL, token: config.CHROMA_TOKEN, model, dimension, indexWorkers: config.INDEX_WORKERS },
    breakers,
  );

const rabbitServer = (
  config: Config,
  publisher: RabbitPublisher,
  breakers: Breakers,
  markFailed: MarkFailed,
  logger: Logger,
): RabbitServer =>
  new RabbitServer({
    app: APP,
    url: config.RABBITMQ_URL,
    heartbeatS: config.BUS_HEARTBEAT_S,
    publisher,
    breakers,
    concurrency: { 'embedding.messages': config.ML_EMBED_WORKERS },
    drainMs: config.BUS_DRAIN_MS,
    logger,
    // What could not even be decoded names no message whose state could be shown.
    onDeadLetter: async (_, event) => (event === undefined ? undefined : markFailed.mark(event)),
  });

/** Whoever waits for their vectors has them when this answers; the same event comes through the pipeline too and finds nothing left to do. */
const embedNowResponder = (config: Config, indexMessages: IndexMessages, logger: Logger): RabbitResponder =>
  new RabbitResponder({
    url: config.RABBITMQ_URL,
    app: APP,
    heartbeatS: config.BUS_HEARTBEAT_S,
    logger,
    queue: EMBED_NOW_QUEUE,
    row: requests[EMBED_NOW_QUEUE],
    question: MessageCreated,
    answer: async (question) => {
      await indexMessages.handle([question as MessageCreated]);
      return { indexed: true };
    },
    concurrency: config.ML_EMBED_WORKERS,
  });
