import { Module } from '@nestjs/common';
import { BusModule } from '#lib/bus/bus.module';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { DatabaseModule } from '#lib/database/database.module';
import { ResilienceModule } from '#lib/resilience/resilience.module';
import { ScoresModule } from '#lib/scores/scores.module';
import { AnalysisModule } from './analysis/analysis.module.js';
import { MessagesConsumer } from './adapters/amqp/messages.consumer.js';
import { PostgresCurrentMessages } from './adapters/postgres-current-messages.js';
import { CurrentMessagesPort } from './signals/current-messages.port.js';
import { MarkFailed } from './signals/mark-failed.js';
import { ScoreMessages } from './signals/score-messages.js';

const currentMessages = {
  provide: CurrentMessagesPort,
  inject: [PostgresLanes],
  useFactory: (lanes: PostgresLanes) => new PostgresCurrentMessages(lanes.lane('work')),
};

/** The scoring process: what messages and conversations say about their users. */
@Module({
  imports: [
    ResilienceModule.for('scoring'),
    DatabaseModule.for('scoring', { entities: 'work' }),
    ScoresModule.for('scoring'),
    AnalysisModule,
    BusModule.for('scoring', { consumes: { deadLetters: MarkFailed } }),
  ],
  controllers: [MessagesConsumer],
  providers: [ScoreMessages, MarkFailed, currentMessages],
})
export class ScoringModule {}
