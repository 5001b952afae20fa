import { type DynamicModule, Module, type Provider, type Type } from '@nestjs/common';
import type { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import type { LaneName } from '#lib/database/pool-budget';
import { DATA_SOURCE } from '#lib/database/data-source-token';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { AcceptMessage } from './accept-message.js';
import { MemoryArchive } from './adapters/memory-archive.js';
import { MemoryConversationFeed } from './adapters/memory-conversation-feed.js';
import { MemoryConversationStore } from './adapters/memory-conversation-store.js';
import { MemoryDeviceStore } from './adapters/memory-device-store.js';
import { MemoryDeliveryLedger } from './adapters/memory-delivery-ledger.js';
import { MemoryMessageStore } from './adapters/memory-message-store.js';
import { MemoryRecentMessages } from './adapters/memory-recent-messages.js';
import { PostgresDeliveryLedger } from './adapters/postgres-delivery-ledger.js';
import { PostgresConversationFeed } from './adapters/postgres-conversation-feed.js';
import { PostgresMessageStore } from './adapters/postgres-message-store.js';
import { PostgresRecentMessages } from './adapters/postgres-recent-messages.js';
import { PostgresTextIndex } from './adapters/postgres-text-index.js';
import { MemoryDocumentStore } from './documents/adapters/memory-document-store.js';
import { PostgresDocumentStore } from './documents/adapters/postgres-document-store.js';
import { PostgresDocumentWords } from './documents/adapters/postgres-document-words.js';
import { DocumentStorePort } from './documents/document-store.port.js';
import { IndexDocumentWords } from './documents/index-document-words.js';
import { ConversationFeedPort } from './conversation-feed.port.js';
import { ConversationStorePort, type MembershipLimits } from './conversation-store.port.js';
import { DeviceStorePort } from './device-store.port.js';
import { IndexTexts } from './index-texts.js';
import { DeliveryLedgerPort } from './delivery-ledger.port.js';
import { MessageStorePort } from './message-store.port.js';
import { RecentMessagesPort } from './recent-messages.port.js';

type OwnProvider = Exclude<Provider, Type>;

/** How many conversations and members a user may add. */
interface ConversationOptions {
  readonly limits: (config: Config) => MembershipLimits;
  /** Lane that edits take, for a process without one of their own because it makes none. */
  readonly edits?: LaneName;
}

/** Conversations and messages. */
@Module({})
export class ConversationsModule {
  /**
   * AcceptMessage, MessageStorePort, ConversationStorePort and DeviceStorePort, for a process that serves users. Needs the relay and DATA_SOURCE
   * of DatabaseModule.
   */
  static forUsers({ limits, edits = 'edits' }: ConversationOptions): DynamicModule {
    return of([
      acceptMessage,
      {
        provide: MessageStorePort,
        inject: [PostgresLanes],
        useFactory: (lanes: PostgresLanes) => new PostgresMessageStore(lanes.lane('sends'), lanes.lane('reads'), lanes.lane(edits)),
      },
      {
        provide: ConversationStorePort,
        inject: [DATA_SOURCE, PostgresLanes, CONFIG],
        useFactory: async (dataSource: LaneDataSource, lanes: PostgresLanes, config: Config) => {
          // Imported here: it loads TypeORM, which the same on memory does not need.
          const { PostgresConversationStore } = await import('./adapters/postgres-conversation-store.js');
          return new PostgresConversationStore(dataSource, lanes.lane('reads'), limits(config));
        },
      },
      {
        provide: DeviceStorePort,
        inject: [DATA_SOURCE],
        useFactory: async (dataSource: LaneDataSource) =>
          new (await import('./adapters/postgres-device-store.js')).PostgresDeviceStore(dataSource),
      },
    ]);
  }

  /** DeliveryLedgerPort. @param lane `work` where messages go out, `reads` where users ask how far they are. */
  static forDeliveries(lane: LaneName): DynamicModule {
    return of([
      {
        provide: DeliveryLedgerPort,
        inject: [PostgresLanes],
        useFactory: (lanes: PostgresLanes) => new PostgresDeliveryLedger(lanes.lane(lane)),
      },
    ]);
  }

  /** RecentMessagesPort, for a process that shows operators what is on its way. */
  static forWatching(): DynamicModule {
    return of([
      {
        provide: RecentMessagesPort,
        inject: [PostgresLanes],
        useFactory: (lanes: PostgresLanes) => new PostgresRecentMessages(lanes.lane('reads')),
      },
    ]);
  }

  /** DocumentStorePort. An upload takes the lane of edits, which may hold a connection for as long as a statement takes. */
  static forDocuments(): DynamicModule {
    return of([
      {
        provide: DocumentStorePort,
        inject: [PostgresLanes],
        useFactory: (lanes: PostgresLanes) => new PostgresDocumentStore(lanes.lane('edits'), lanes.lane('reads')),
      },
    ]);
  }

  /** ConversationFeedPort, for a process that brings messages to sockets. */
  static forFollowing(): DynamicModule {
    return of([
      {
        provide: ConversationFeedPort,
        inject: [PostgresLanes],
        useFactory: (lanes: PostgresLanes) => new PostgresConversationFeed(lanes.lane('reads')),
      },
    ]);
  }

  /** IndexTexts and IndexDocumentWords, which make the words of messages and documents findable. */
  static forIndexing(): DynamicModule {
    return of([
      {
        provide: IndexTexts,
        inject: [PostgresLanes, LOGGER],
        useFactory: (lanes: PostgresLanes, logger: Logger) => new IndexTexts(new PostgresTextIndex(lanes.lane('work')), logger),
      },
      {
        provide: IndexDocumentWords,
        inject: [PostgresLanes, LOGGER],
        useFactory: (lanes: PostgresLanes, logger: Logger) => new IndexDocumentWords(new PostgresDocumentWords(lanes.lane('work')), logger),
      },
    ]);
  }

  /**
   * AcceptMessage, MessageStorePort, ConversationStorePort and DocumentStorePort on one MemoryArchive, and DeviceStorePort. Needs
   * DatabaseModule.inMemory() for its outbox.
   */
  static inMemory({ limits }: ConversationOptions): DynamicModule {
    return of([
      acceptMessage,
      { provide: MemoryArchive, useFactory: () => new MemoryArchive() },
      {
        provide: ConversationFeedPort,
        inject: [MemoryArchive],
        useFactory: (archive: MemoryArchive) => new MemoryConversationFeed(archive),
      },
      {
        provide: MessageStorePort,
        inject: [MemoryArchive, MemoryOutbox],
        useFactory: (archive: MemoryArchive, outbox: MemoryOutbox) => new MemoryMessageStore(archive, outbox),
      },
      {
        provide: ConversationStorePort,
        inject: [MemoryArchive, MemoryOutbox, CONFIG],
        useFactory: (archive: MemoryArchive, outbox: MemoryOutbox, config: Config) =>
          new MemoryConversationStore(archive, outbox, limits(config)),
      },
      memoryDocuments,
      { provide: DocumentStorePort, useExisting: MemoryDocumentStore },
      { provide: DeviceStorePort, useFactory: () => new MemoryDeviceStore() },
      { provide: DeliveryLedgerPort, useFactory: () => new MemoryDeliveryLedger() },
      {
        provide: RecentMessagesPort,
        inject: [MemoryArchive],
        useFactory: (archive: MemoryArchive) => new MemoryRecentMessages(archive),
      },
    ]);
  }
}

const acceptMessage = {
  provide: AcceptMessage,
  inject: [MessageStorePort, OutboxRelay],
  useFactory: (messages: MessageStorePort, relay: OutboxRelay) => new AcceptMessage(messages, relay),
};

const memoryDocuments = {
  provide: MemoryDocumentStore,
  inject: [MemoryArchive, MemoryOutbox],
  useFactory: (archive: MemoryArchive, outbox: MemoryOutbox) => new MemoryDocumentStore(archive, outbox),
};

const of = (providers: OwnProvider[]): DynamicModule => ({
  module: ConversationsModule,
  global: true,
  providers,
  exports: providers.map(({ provide }) => provide),
});
