import { AgentEntity } from './agent.entity.js';
import { CatalogueVersionEntity } from './catalogue-version.entity.js';
import { ConsistencyRunEntity } from './consistency-run.entity.js';
import { ConversationEndEntity } from './conversation-end.entity.js';
import { ConversationKeyEntity } from './conversation-key.entity.js';
import { ConversationLogEntity } from './conversation-log.entity.js';
import { ConversationMemberEntity } from './conversation-member.entity.js';
import { ConversationEntity } from './conversation.entity.js';
import { DepartedMemberEntity } from './departed-member.entity.js';
import { DeviceEntity } from './device.entity.js';
import { FriendshipStatusEntity } from './friendship-status.entity.js';
import { DocumentPartEntity } from './document-part.entity.js';
import { DocumentEntity } from './document.entity.js';
import { InboxEntity } from './inbox.entity.js';
import { JobEntity } from './job.entity.js';
import { MembershipUsageEntity } from './membership-usage.entity.js';
import { MessageChunkEntity } from './message-chunk.entity.js';
import { MessageDeliveryEntity } from './message-delivery.entity.js';
import { MessageSignalEntity } from './message-signal.entity.js';
import { MessageTextEntity } from './message-text.entity.js';
import { MessageEntity } from './message.entity.js';
import { NightlyRunEntity } from './nightly-run.entity.js';
import { OutboxDepthEntity } from './outbox-depth.entity.js';
import { OutboxEntity } from './outbox.entity.js';
import { PromptTemplateEntity } from './prompt-template.entity.js';
import { ScoreChangeEntity } from './score-change.entity.js';
import { SearchWordEntity } from './search-word.entity.js';
import { TextBackfillEntity } from './text-backfill.entity.js';
import { TextToIndexEntity } from './text-to-index.entity.js';
import { VectorWriteEntity } from './vector-write.entity.js';

/** One entity per table: the schema as it stands, in one readable place. Migrations make it; a test compares the two. */
export const entities = [
  AgentEntity,
  CatalogueVersionEntity,
  ConsistencyRunEntity,
  ConversationEndEntity,
  ConversationKeyEntity,
  ConversationLogEntity,
  ConversationMemberEntity,
  ConversationEntity,
  DepartedMemberEntity,
  DeviceEntity,
  FriendshipStatusEntity,
  DocumentPartEntity,
  DocumentEntity,
  InboxEntity,
  JobEntity,
  MembershipUsageEntity,
  MessageChunkEntity,
  MessageDeliveryEntity,
  MessageSignalEntity,
  MessageTextEntity,
  MessageEntity,
  NightlyRunEntity,
  OutboxDepthEntity,
  OutboxEntity,
  PromptTemplateEntity,
  ScoreChangeEntity,
  SearchWordEntity,
  TextBackfillEntity,
  TextToIndexEntity,
  VectorWriteEntity,
];
