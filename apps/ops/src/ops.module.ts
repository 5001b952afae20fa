import { type DynamicModule, Module } from '@nestjs/common';
import type { SharedBus } from '#lib/bus/adapters/embedded/journaled-providers';
import { BusModule } from '#lib/bus/bus.module';
import { QueueStatusPort } from '#lib/bus/queue-status/queue-status.port';
import { ConversationsModule } from '#lib/conversations/conversations.module';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { DatabaseModule } from '#lib/database/database.module';
import { OutboxPort } from '#lib/database/outbox/outbox.port';
import { JobsModule } from '#lib/jobs/jobs.module';
import { LiveModule, type SharedLive } from '#lib/live/live.module';
import { ObjectsModule } from '#lib/objects/objects.module';
import { ResilienceModule, type SharedResilience } from '#lib/resilience/resilience.module';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { PostgresRescores } from '#lib/scores/rescoring/adapters/postgres-rescores';
import { RescoresPort } from '#lib/scores/rescoring/rescores.port';
import { ScoresModule } from '#lib/scores/scores.module';
import { VectorStorePort } from '#lib/vectors/store/vector-store.port';
import { type SharedVectors, VectorsModule } from '#lib/vectors/vectors.module';
import { AlertsModule } from './alerts/alerts.module.js';
import { PostgresIndexableMessages } from './adapters/postgres-indexable-messages.js';
import { CheckConsistency } from './consistency/check-consistency.js';
import { FollowUnsettledWrites } from './consistency/follow-unsettled-writes.js';
import { IndexableMessagesPort } from './consistency/indexable-messages.port.js';
import { RunConsistency } from './consistency/run-consistency.js';
import { ErasureModule } from './erasure/erasure.module.js';
import { MarkFailedErasure } from './erasure/mark-failed-erasure.js';
import { MeasureQueues } from './measure-queues.js';
import { CronNightlySchedule } from './adapters/cron-nightly-schedule.js';
import { NightlySchedulePort } from './nightly/nightly-schedule.port.js';
import { RunNightly } from './nightly/run-nightly.js';
import { AdviceModule } from './advice/advice.module.js';
import { ScrapeModule } from './scrape/scrape.module.js';
import { CompareScores } from './scores/compare-scores.js';
import { Upkeep } from './upkeep.js';

/** Opening (5 s), the lock (5 s), looking (20 s) and giving back (3 s), in milliseconds. */
const DEAD_LETTERS_MS = 33_000;

/** What it shares with the other apps of one process, in place of servers. */
interface Shared {
  readonly resilience: SharedResilience;
  readonly lanes: PostgresLanes;
  readonly bus: SharedBus;
  readonly live: SharedLive;
  readonly vectors: SharedVectors;
}

const on = ({ resilience, lanes, bus, live, vectors }: Partial<Shared>): DynamicModule => ({
  module: OpsModule,
  imports: [
    ResilienceModule.for('ops', {}, resilience),
    DatabaseModule.for('ops', { relay: true, inbox: true, entities: 'work' }, lanes),
    BusModule.for(
      'ops',
      {
        queues: true,
        deadLetters: true,
        consumes: { deadLetters: MarkFailedErasure, slowestCall: { name: 'looking through dead letters', timeoutMs: DEAD_LETTERS_MS } },
      },
      bus,
    ),
    ConversationsModule.forIndexing(),
    VectorsModule.forUpkeep(vectors),
    JobsModule.onPostgres(),
    LiveModule.for('ops', { presence: true }, live),
    ScoresModule.for('ops'),
    ObjectsModule.configured(),
  ],
});

/** The ops process: sweeps the outbox, indexes texts, measures queues, keeps vectors and messages in step, erases users. */
@Module({
  imports: [ErasureModule, AlertsModule, ScrapeModule, AdviceModule],
  providers: [
    Upkeep,
    MeasureQueues,
    RunConsistency,
    FollowUnsettledWrites,
    RunNightly,
    CompareScores,
    {
      provide: RescoresPort,
      inject: [PostgresLanes],
      useFactory: (lanes: PostgresLanes) => new PostgresRescores(lanes.lane('work')),
    },
    {
      provide: NightlySchedulePort,
      inject: [CONFIG],
      useFactory: ({ NIGHTLY_AT, NIGHTLY_TIME_ZONE }: Config) => new CronNightlySchedule(NIGHTLY_AT, NIGHTLY_TIME_ZONE),
    },
    {
      provide: IndexableMessagesPort,
      inject: [PostgresLanes],
      useFactory: (lanes: PostgresLanes) => new PostgresIndexableMessages(lanes.lane('work')),
    },
    {
      provide: CheckConsistency,
      inject: [IndexableMessagesPort, VectorStorePort, QueueStatusPort, OutboxPort, CONFIG],
      useFactory: (
        messages: IndexableMessagesPort,
        vectors: VectorStorePort,
        queues: QueueStatusPort,
        outbox: OutboxPort,
        { CONSISTENCY_GRACE_MS: graceMs }: Config,
      ) => new CheckConsistency(messages, vectors, queues, outbox, { graceMs }),
    },
  ],
})
export class OpsModule {
  /** On Postgres, RabbitMQ, Redis and Chroma. */
  static live(): DynamicModule {
    return on({});
  }

  /** In one process with the other apps. */
  static embedded(shared: Shared): DynamicModule {
    return on(shared);
  }
}
