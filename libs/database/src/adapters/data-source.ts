import { DataSource } from 'typeorm';
import type { Logger } from '#lib/runtime/log/logger';
import { AddMembersVersion1764000100000 } from './migrations/add-members-version.js';
import { CreateActivityCatalogue1764000700000 } from './migrations/create-activity-catalogue.js';
import { CreateConsistencyRuns1763777400000 } from './migrations/create-consistency-runs.js';
import { CreateConversationEnds1764000430000 } from './migrations/create-conversation-ends.js';
import { CreateConversationKeys1764000200000 } from './migrations/create-conversation-keys.js';
import { CreateConversations1763690460000 } from './migrations/create-conversations.js';
import { CreateDepartedMembers1764000220000 } from './migrations/create-departed-members.js';
import { CreateDevices1764000230000 } from './migrations/create-devices.js';
import { CreateFriendship1764000600000 } from './migrations/create-friendship.js';
import { CreateDocuments1764000800000 } from './migrations/create-documents.js';
import { CreateInbox1763690640000 } from './migrations/create-inbox.js';
import { CreateIngestFunction1763690760000 } from './migrations/create-ingest-function.js';
import { CreateJobs1764001100000 } from './migrations/create-jobs.js';
import { CreateMembershipUsage1764000210000 } from './migrations/create-membership-usage.js';
import { CreateMessageChunks1763690700000 } from './migrations/create-message-chunks.js';
import { CreateMessageDeliveries1764000100001 } from './migrations/create-message-deliveries.js';
import { CreateMessageSignals1764000500010 } from './migrations/create-message-signals.js';
import { CreateMessageTexts1764000400000 } from './migrations/create-message-texts.js';
import { CreateMessages1763690520000 } from './migrations/create-messages.js';
import { CreateNightlyRuns1764000900000 } from './migrations/create-nightly-runs.js';
import { CreateOutbox1763690580000 } from './migrations/create-outbox.js';
import { CreateOutboxDepth1764000500001 } from './migrations/create-outbox-depth.js';
import { CreateSearchFunctions1763690400000 } from './migrations/create-search-functions.js';
import { CreateTextsToIndex1764000410000 } from './migrations/create-texts-to-index.js';
import { CreateVectorWrites1764000600000 } from './migrations/create-vector-writes.js';
import { EndScoresWithEnds1764001100010 } from './migrations/end-scores-with-ends.js';
import { IndexChangesAndJoinings1764000300000 } from './migrations/index-changes-and-joinings.js';
import { IndexDepartedMembers1764001000000 } from './migrations/index-departed-members.js';
import { IndexDocumentsByOwner1764000810000 } from './migrations/index-documents-by-owner.js';
import { IndexEndsByConversation1764001200000 } from './migrations/index-ends-by-conversation.js';
import { IndexParkedOutbox1764000500000 } from './migrations/index-parked-outbox.js';
import { KeyTextBackfill1795400000000 } from './migrations/key-text-backfill.js';
import { ReplaceTrigramsByWords1763690820000 } from './migrations/replace-trigrams-by-words.js';
import { RetireFullTextOnMessages1764000420000 } from './migrations/retire-full-text-on-messages.js';
import { SeedActivityCatalogue1764000710000 } from './migrations/seed-activity-catalogue.js';
import { connectionSettings } from './lanes/postgres-lanes.js';

/** Every migration, in the order in which they run. Listed by hand: a folder scan would also run a file that a merge left behind. */
const migrations = [
  CreateSearchFunctions1763690400000,
  CreateConversations1763690460000,
  CreateMessages1763690520000,
  CreateOutbox1763690580000,
  CreateInbox1763690640000,
  CreateMessageChunks1763690700000,
  CreateIngestFunction1763690760000,
  ReplaceTrigramsByWords1763690820000,
  CreateConsistencyRuns1763777400000,
  CreateMessageTexts1764000400000,
  CreateTextsToIndex1764000410000,
  RetireFullTextOnMessages1764000420000,
  IndexParkedOutbox1764000500000,
  CreateOutboxDepth1764000500001,
  CreateVectorWrites1764000600000,
  CreateConversationKeys1764000200000,
  CreateMembershipUsage1764000210000,
  CreateDepartedMembers1764000220000,
  AddMembersVersion1764000100000,
  CreateMessageDeliveries1764000100001,
  CreateDevices1764000230000,
  IndexChangesAndJoinings1764000300000,
  CreateFriendship1764000600000,
  IndexDepartedMembers1764001000000,
  CreateJobs1764001100000,
  CreateActivityCatalogue1764000700000,
  SeedActivityCatalogue1764000710000,
  KeyTextBackfill1795400000000,
  CreateMessageSignals1764000500010,
  CreateConversationEnds1764000430000,
  CreateNightlyRuns1764000900000,
  CreateDocuments1764000800000,
  IndexDocumentsByOwner1764000810000,
  EndScoresWithEnds1764001100010,
  IndexEndsByConversation1764001200000,
];

/** How a DataSource reaches Postgres. All times in milliseconds. */
export interface DataSourceSettings {
  readonly url: string;
  readonly applicationName: string;
  readonly connectTimeoutMs: number;
  readonly statementTimeoutMs: number;
  /** Longest wait for a table in use; statements of other processes wait behind a migration that waits. */
  readonly lockTimeoutMs: number;
  readonly logger: Logger;
}

/**
 * A TypeORM DataSource that knows the schema's history. Its connections are the same kind as those of the lanes: a client that got no
 * answer is destroyed (TypeORM itself gives it back with its transaction open). Only migrations use it; see LaneDataSource for repositories.
 */
export const createDataSource = (settings: DataSourceSettings): DataSource => {
  const { url, applicationName, connectTimeoutMs, statementTimeoutMs, lockTimeoutMs, logger } = settings;
  // TypeORM hands `extra` to pg-pool as it is; `Client` in there is the class of the pool's clients.
  const extra = connectionSettings({ url, applicationName, acquireTimeoutMs: connectTimeoutMs, statementTimeoutMs, lockTimeoutMs });
  return new DataSource({
    type: 'postgres',
    url,
    applicationName,
    installExtensions: false,
    migrations,
    migrationsTableName: 'schema_migrations',
    migrationsTransactionMode: 'each',
    poolSize: 1,
    poolErrorHandler: (error: Error) => logger.debug({ error: error.message }, 'idle postgres connection lost'),
    logging: false,
    extra,
  });
};
