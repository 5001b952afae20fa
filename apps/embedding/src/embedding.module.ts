import { Module } from '@nestjs/common';
import { BusModule } from '#lib/bus/bus.module';
import { MessageCreated } from '#lib/contracts/events';
import { EMBED_NOW_QUEUE } from '#lib/contracts/pipeline';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { DatabaseModule } from '#lib/database/database.module';
import { ResilienceModule } from '#lib/resilience/resilience.module';
import { EMBED_CALL_TIMEOUT_MS } from '#lib/vectors/embedder/embedder.port';
import { VectorsModule } from '#lib/vectors/vectors.module';
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

/** The embedding process: turns messages into vectors. */
@Module({
  imports: [
    ResilienceModule.for('embedding'),
    DatabaseModule.for('embedding'),
    VectorsModule.forIndexing(),
    BusModule.for('embedding', {
      consumes: {
        concurrency: (config) => ({ 'embedding.messages': config.ML_EMBED_WORKERS }),
        deadLetters: MarkFailed,
        slowestCall: { name: 'one call of the embedder', timeoutMs: EMBED_CALL_TIMEOUT_MS },
      },
      answers: { queue: EMBED_NOW_QUEUE, question: MessageCreated, by: EmbedNow, concurrency: (config) => config.ML_EMBED_WORKERS },
    }),
  ],
  controllers: [MessagesConsumer],
  providers: [IndexMessages, EmbedNow, MarkFailed, WriteVectors, currentMessages],
})
export class EmbeddingModule {}
