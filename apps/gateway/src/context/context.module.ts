import { Module } from '@nestjs/common';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { ChunkLedgerPort } from '#lib/vectors/ledger/chunk-ledger.port';
import { ContextController } from '../adapters/http/routes/context.controller.js';
import { CachedTokenCounter } from '../adapters/search/cached-token-counter.js';
import { MessagesModule } from '../messages/messages.module.js';
import { SearchMessages } from '../search/search-messages.js';
import { SearchModule } from '../search/search.module.js';
import { TextWorkPort } from '../search/text-work.port.js';
import { AnswerContext } from './answer-context.js';
import { BuildContext } from './build-context.js';

/** Context windows for LLM agents. */
@Module({
  imports: [MessagesModule, SearchModule],
  controllers: [ContextController],
  providers: [
    AnswerContext,
    {
      provide: BuildContext,
      inject: [MessageStorePort, ChunkLedgerPort, SearchMessages, TextWorkPort],
      useFactory: (messages: MessageStorePort, ledger: ChunkLedgerPort, search: SearchMessages, text: TextWorkPort) =>
        new BuildContext(messages, ledger, search, new CachedTokenCounter(text)),
    },
  ],
  exports: [AnswerContext],
})
export class ContextModule {}
