import { type DynamicModule, type FactoryProvider, Module } from '@nestjs/common';
import { MemoryArchive } from '#lib/conversations/adapters/memory-archive';
import { MemoryDocumentStore } from '#lib/conversations/documents/adapters/memory-document-store';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { LexicalIndexPort } from '../../search/lexical-index.port.js';
import { MemoryLexicalIndex } from './memory-lexical-index.js';
import { PostgresLexicalIndex } from './postgres-lexical-index.js';

/** LexicalIndexPort: search by words. */
@Module({})
export class LexicalIndexModule {
  static onPostgres(): DynamicModule {
    return of({ inject: [PostgresLanes], useFactory: (lanes: PostgresLanes) => new PostgresLexicalIndex(lanes.lane('reads')) });
  }

  static inMemory(): DynamicModule {
    const messagesOf = (archive: MemoryArchive) => [...archive.conversations.values()].flatMap(({ messages }) => messages);
    return of({
      inject: [MemoryArchive, MemoryDocumentStore],
      useFactory: (archive: MemoryArchive, documents: MemoryDocumentStore) =>
        new MemoryLexicalIndex(
          () => messagesOf(archive),
          () => documents.parts,
        ),
    });
  }
}

const of = (factory: Omit<FactoryProvider<LexicalIndexPort>, 'provide'>): DynamicModule => ({
  module: LexicalIndexModule,
  global: true,
  providers: [{ provide: LexicalIndexPort, ...factory }],
  exports: [LexicalIndexPort],
});
