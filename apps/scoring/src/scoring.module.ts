import { type DynamicModule, Module } from '@nestjs/common';
import type { SharedBus } from '#lib/bus/adapters/embedded/journaled-providers';
import { BusModule } from '#lib/bus/bus.module';
import { SCORE_NOW_QUEUE } from '#lib/contracts/pipeline';
import { ScoreQuestion } from '#lib/contracts/scores';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { DatabaseModule } from '#lib/database/database.module';
import { JobsModule } from '#lib/jobs/jobs.module';
import { ObjectsModule } from '#lib/objects/objects.module';
import { ObjectStorePort } from '#lib/objects/object-store.port';
import { ResilienceModule, type SharedResilience } from '#lib/resilience/resilience.module';
import { ConversationEndStorePort } from '#lib/scores/ends/conversation-end-store.port';
import { ScoresModule } from '#lib/scores/scores.module';
import { AnalysisModule } from './analysis/analysis.module.js';
import { ConversationsConsumer } from './adapters/amqp/conversations.consumer.js';
import { LogsConsumer } from './adapters/amqp/logs.consumer.js';
import { MessagesConsumer } from './adapters/amqp/messages.consumer.js';
import { PostgresCurrentMessages } from './adapters/postgres-current-messages.js';
import { StoredTranscripts } from './adapters/stored-transcripts.js';
import { StoreLogs } from './logs/store-logs.js';
import { MemoryModule } from './memory/memory.module.js';
import { AnswerScore } from './scores/answer-score.js';
import { AssessConversation } from './scores/assess-conversation.js';
import { RescoreConversations } from './scores/rescore-conversations.js';
import { ScoreConversation } from './scores/score-conversation.js';
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

const messages = [ScoreMessages, MarkFailed, currentMessages];
const conversations = [StoreLogs, transcripts, AssessConversation, ScoreConversation, RescoreConversations, AnswerScore];

/** What it shares with the other apps of one process, in place of servers. */
interface Shared {
  readonly resilience: SharedResilience;
  readonly lanes: PostgresLanes;
  readonly bus: SharedBus;
}

const on = ({ resilience, lanes, bus }: Partial<Shared>): DynamicModule => ({
  module: ScoringModule,
  imports: [
    ResilienceModule.for('scoring', {}, resilience),
    DatabaseModule.for('scoring', { entities: 'work' }, lanes),
    ScoresModule.for('scoring'),
    ObjectsModule.configured(),
    JobsModule.onPostgres(),
    BusModule.for(
      'scoring',
      {
        consumes: { deadLetters: MarkFailed },
        answers: { queue: SCORE_NOW_QUEUE, question: ScoreQuestion, by: AnswerScore, concurrency: () => 4 },
      },
      bus,
    ),
  ],
});

/** The scoring process: what messages and conversations say about their users. */
@Module({
  imports: [AnalysisModule, MemoryModule],
  controllers: [MessagesConsumer, LogsConsumer, ConversationsConsumer],
  providers: [...messages, ...conversations],
})
export class ScoringModule {
  /** On Postgres and RabbitMQ. */
  static live(): DynamicModule {
    return on({});
  }

  /** In one process with the other apps. */
  static embedded(shared: Shared): DynamicModule {
    return on(shared);
  }
}
