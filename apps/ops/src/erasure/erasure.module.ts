import { Module } from '@nestjs/common';
import { DeadLettersPort } from '#lib/bus/dead-letters/dead-letters.port';
import { QueueWatch } from '#lib/bus/queue-status/queue-watch';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { OutboxPort } from '#lib/database/outbox/outbox.port';
import { JobStorePort } from '#lib/jobs/job-store.port';
import { PresencePort } from '#lib/live/presence/presence.port';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { ObjectStorePort } from '#lib/objects/object-store.port';
import { ConversationEndStorePort } from '#lib/scores/ends/conversation-end-store.port';
import { VectorStorePort } from '#lib/vectors/store/vector-store.port';
import { ErasuresConsumer } from '../adapters/amqp/erasures.consumer.js';
import { erasersOf } from './adapters/erasers.js';
import { QueueDrain } from './adapters/queue-drain.js';
import { EraseUser } from './erase-user.js';
import { MarkFailedErasure } from './mark-failed-erasure.js';

const eraseUser = {
  provide: EraseUser,
  inject: [
    JobStorePort,
    PostgresLanes,
    VectorStorePort,
    PresencePort,
    DeadLettersPort,
    ConversationEndStorePort,
    ObjectStorePort,
    QueueWatch,
    OutboxPort,
    LOGGER,
  ],
  useFactory: (
    jobs: JobStorePort,
    lanes: PostgresLanes,
    vectors: VectorStorePort,
    presence: PresencePort,
    deadLetters: DeadLettersPort,
    ends: ConversationEndStorePort,
    objects: ObjectStorePort,
    queues: QueueWatch,
    outbox: OutboxPort,
    logger: Logger,
  ) =>
    new EraseUser(
      jobs,
      erasersOf({ lane: lanes.lane('work'), vectors, presence, deadLetters, ends, objects }),
      new QueueDrain(queues, outbox),
      outbox,
      logger,
    ),
};

/** Erasing users. Exports MarkFailedErasure for the bus. */
@Module({ controllers: [ErasuresConsumer], providers: [eraseUser, MarkFailedErasure] })
export class ErasureModule {}
