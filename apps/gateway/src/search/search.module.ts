import { Module } from '@nestjs/common';
import { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import { DocumentStorePort } from '#lib/conversations/documents/document-store.port';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import { Pressure } from '#lib/resilience/load/pressure';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { LateVectors } from '#lib/vectors/late-vectors';
import { SearchController } from '../adapters/http/routes/search.controller.js';
import { LexicalOverlapReranker } from '../adapters/search/lexical-overlap-reranker.js';
import { PooledTextWork } from '../adapters/search/pooled-text-work.js';
import { LoadModule } from '#lib/database/load.module';
import { MessagesModule } from '../messages/messages.module.js';
import { AnswerSearch } from './answer-search.js';
import { BoundedReranker } from './bounded-reranker.js';
import { LexicalIndexPort } from './lexical-index.port.js';
import { LOCAL_NOISE_FLOOR, NearestMessages } from './nearest-messages.js';
import { RerankerPort } from './reranker.port.js';
import { SearchMessages } from './search-messages.js';
import { TextWorkPort } from './text-work.port.js';

const textWork = (config: Config, logger: Logger, lifecycle: Lifecycle): TextWorkPort => {
  const threads = new PooledTextWork(config.TEXT_WORKERS, logger);
  lifecycle.add({ name: 'text threads', phase: 'background', stop: () => threads.close() });
  return threads;
};

// Models differ too much for a number of their own, but what points away from the query is no answer.
const nearestMessages = (vectors: LateVectors, { EMBEDDING_PROVIDER: provider }: Config): NearestMessages =>
  new NearestMessages(vectors.get, provider === 'local' ? LOCAL_NOISE_FLOOR : 0);

/** A rerank is part of a search that holds a place already, so as many wait for one as searches run; it is left out under pressure. */
const boundedReranker = (text: TextWorkPort, calm: Pressure, config: Config): BoundedReranker => {
  const places = new Semaphore('rerank', { concurrent: config.ML_RERANK_WORKERS, queued: config.SEARCH_WORKERS });
  return new BoundedReranker(new LexicalOverlapReranker(text), places, calm);
};

const searchMessages = (
  conversations: ConversationStorePort,
  messages: MessageStorePort,
  documents: DocumentStorePort,
  lexical: LexicalIndexPort,
  nearest: NearestMessages,
  reranker: RerankerPort,
  text: TextWorkPort,
  config: Config,
  logger: Logger,
): SearchMessages => {
  const searches = new Semaphore('search', { concurrent: config.SEARCH_WORKERS, queued: config.SEARCH_QUEUE_SIZE });
  return new SearchMessages(conversations, messages, documents, { lexical, nearest, reranker, text }, searches, logger);
};

/** Search by words and by meaning. Needs a LexicalIndexPort, and LateVectors. */
@Module({
  imports: [MessagesModule, LoadModule],
  controllers: [SearchController],
  providers: [
    AnswerSearch,
    { provide: TextWorkPort, inject: [CONFIG, LOGGER, Lifecycle], useFactory: textWork },
    { provide: NearestMessages, inject: [LateVectors, CONFIG], useFactory: nearestMessages },
    { provide: RerankerPort, inject: [TextWorkPort, Pressure, CONFIG], useFactory: boundedReranker },
    {
      provide: SearchMessages,
      inject: [
        ConversationStorePort,
        MessageStorePort,
        DocumentStorePort,
        LexicalIndexPort,
        NearestMessages,
        RerankerPort,
        TextWorkPort,
        CONFIG,
        LOGGER,
      ],
      useFactory: searchMessages,
    },
  ],
  exports: [AnswerSearch, SearchMessages, TextWorkPort],
})
export class SearchModule {}
