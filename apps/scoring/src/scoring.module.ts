import { Module } from '@nestjs/common';
import { BusModule } from '#lib/bus/bus.module';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { DatabaseModule } from '#lib/database/database.module';
import { ObjectsModule } from '#lib/objects/objects.module';
import { ObjectStorePort } from '#lib/objects/object-store.port';
import { ResilienceModule } from '#lib/resilience/resilience.module';
import { ConversationEndStorePort } from '#lib/scores/ends/conversation-end-store.port';
import { ScoresModule } from '#lib/scores/scores.module';
import { AnalysisModule } from './analysis/analysis.module.js';
import { LogsConsumer } from './adapters/amqp/logs.consumer.js';
import { MessagesConsumer } from './adapters/amqp/messages.consumer.js';
import { PostgresCurrentMessages } from './adapters/postgres-current-messages.js';
import { StoredTranscripts } from './adapters/stored-transcripts.js';
import { StoreLogs } from './logs/store-logs.js';
import { CurrentMessagesPort } from './signals/current-messages.port.js';
import { MarkFailed } from './signals/mark-failed.js';
import { ScoreMessages } from './signals/score-messages.js';
import { TranscriptPort } from './transcripts/transcript.port.js';

const currentMessages = {
  provide: CurrentMessagesPort,
  inject: [PostgresLanes],
  useFactory: (lanes: PostgresLanes) => new PostgresCurrentMessages(lanes.lane('work')),
};

const transcripts = {
  provide: TranscriptPort,
  inject: [ConversationEndStorePort, ObjectStorePort, PostgresLanes],
  useFactory: (ends: ConversationEndStorePort, objects: ObjectStorePort, lanes: PostgresLanes) =>
    new StoredTranscripts(ends, objects, lanes.lane('work')),
};

/** The scoring process: what messages and conversations say about their users. */
@Module({
  imports: [
    ResilienceModule.for('scoring'),
    DatabaseModule.for('scoring', { entities: 'work' }),
    ScoresModule.for('scoring'),
    ObjectsModule.configured(),
    AnalysisModule,
    BusModule.for('scoring', { consumes: { deadLetters: MarkFailed } }),
  ],
  controllers: [MessagesConsumer, LogsConsumer],
  providers: [ScoreMessages, MarkFailed, currentMessages, StoreLogs, transcripts],
})
export class ScoringModule {}
