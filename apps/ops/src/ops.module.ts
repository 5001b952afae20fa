import { type DynamicModule, Module } from '@nestjs/common';
import { RabbitControlChannel } from '#lib/bus/adapters/rabbit-control-channel';
import { controlChannelFor, publisherFor, queueStatusFor } from '#lib/bus/adapters/rabbit-for';
import { RabbitPublisher } from '#lib/bus/adapters/rabbit-publisher';
import { RabbitQueueStatus } from '#lib/bus/adapters/rabbit-queue-status';
import { PostgresInbox } from '#lib/database/adapters/postgres-inbox';
import { lanesFor } from '#lib/database/adapters/lanes-for';
import { PostgresLanes } from '#lib/database/adapters/postgres-lanes';
import { PostgresOutbox } from '#lib/database/adapters/postgres-outbox';
import { OutboxRelay } from '#lib/database/outbox-relay';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { Breakers } from '#lib/resilience/breakers';
import { shareBreakers } from '#lib/resilience/share-breakers';
import { OperationsModule } from '#lib/runtime/adapters/http/operations.module';
import { CONFIG, type Config } from '#lib/runtime/config';
import { createOperationsApp } from '#lib/runtime/http-server';
import { LOGGER, type Logger } from '#lib/runtime/logger';
import type { ProcessParts } from '#lib/runtime/run-process';
import { ChromaVectorStore } from '#lib/vectors/adapters/chroma-vector-store';
import { createEmbedder } from '#lib/vectors/adapters/create-embedder';
import { PostgresConsistencyBoard } from '#lib/vectors/adapters/postgres-consistency-board';
import { PostgresIndexableMessages } from './adapters/postgres-indexable-messages.js';
import { CheckConsistency } from './consistency/check-consistency.js';
import { RunConsistency } from './consistency/run-consistency.js';
import { MeasureQueues } from './measure-queues.js';
import { Rounds } from './rounds.js';

const APP = 'ops';

const MEASURE_QUEUES_EVERY_MS = 5_000;
/** How long an operator waits for a comparison to begin. */
const LOOK_AT_BOARD_EVERY_MS = 2_000;
const PRUNE_INBOX_EVERY_MS = 3_600_000;
/** Longer than an event can come back: a dead letter that is older than a month is discarded, not replayed. */
const INBOX_MEMORY_MS = 30 * 24 * 3_600_000;

/** Chooses the adapters of the ops process: the outbox sweep, the queue metrics, the upkeep. Building it reaches nobody. */
@Module({})
export class OpsModule {
  static of(parts: ProcessParts): DynamicModule {
    return {
      module: OpsModule,
      imports: [OperationsModule.of(parts)],
      providers: [
        { provide: Breakers, useFactory: () => shareBreakers(createBreakers()) },
        { provide: PostgresLanes, inject: [CONFIG, Breakers, LOGGER], useFactory: lanesFor(APP) },
        { provide: RabbitPublisher, inject: [CONFIG, LOGGER], useFactory: publisherFor(APP) },
        { provide: RabbitQueueStatus, inject: [CONFIG, LOGGER], useFactory: queueStatusFor(APP) },
        { provide: RabbitControlChannel, inject: [CONFIG, LOGGER], useFactory: controlChannelFor(APP) },
        { provide: OutboxRelay, inject: [CONFIG, PostgresLanes, RabbitPublisher, LOGGER], useFactory: outboxRelay },
        { provide: RunConsistency, inject: [CONFIG, PostgresLanes, RabbitQueueStatus, Breakers, LOGGER], useFactory: runConsistency },
        { provide: Rounds, inject: [RabbitQueueStatus, PostgresLanes, RunConsistency, LOGGER], useFactory: rounds },
      ],
    };
  }
}

/**
 * Builds the process and starts its loops; resolves when it listens, also when everything that it depends on is away.
 * @returns what stops it: no new sweeps, then what is being published, then connections.
 */
export async function startOps(parts: ProcessParts): Promise<() => Promise<void>> {
  const { config, logger, readiness } = parts;
  const app = await createOperationsApp(OpsModule.of(parts), logger);
  const publisher = app.get(RabbitPublisher);
  const queueStatus = app.get(RabbitQueueStatus);
  const relay = app.get(OutboxRelay);
  const upkeep = app.get(Rounds);
  readiness.holdWhile(() => publisher.drift?.message);
  await app.listen(config.PORT, config.HOST);
  const control = app.get(RabbitControlChannel);
  await Promise.all([publisher.start(), queueStatus.start(), control.start()]);
  relay.start();
  upkeep.start();
  return async () => {
    await Promise.all([relay.stop(), upkeep.stop()]);
    await Promise.all([publisher.stop(), queueStatus.stop(), control.stop()]);
    await app.get(PostgresLanes).close();
    await app.close(); // last, so that /livez and /metrics answer until then
  };
}

const outboxRelay = (config: Config, lanes: PostgresLanes, publisher: RabbitPublisher, logger: Logger): OutboxRelay =>
  new OutboxRelay(
    new PostgresOutbox(lanes.lane('relay')),
    publisher,
    { sweepMs: config.OUTBOX_SWEEP_MS, graceMs: config.OUTBOX_GRACE_MS },
    logger,
  );

const runConsistency = (
  config: Config,
  lanes: PostgresLanes,
  queueStatus: RabbitQueueStatus,
  breakers: Breakers,
  logger: Logger,
): RunConsistency => {
  let check: CheckConsistency | undefined;
  // Not before it is needed: a remote model may have to be asked for its dimension, which names the collection.
  const checkOfThisModel = async (): Promise<CheckConsistency> => {
    if (check !== undefined) return check;
    const { model, dimension } = await createEmbedder(config, breakers);
    check = new CheckConsistency(
      new PostgresIndexableMessages(lanes.lane('work')),
      new ChromaVectorStore({ url: config.CHROMA_URL, model, dimension }, breakers),
      queueStatus,
      new PostgresOutbox(lanes.lane('work')),
      { graceMs: config.CONSISTENCY_GRACE_MS },
    );
    return check;
  };
  return new RunConsistency(new PostgresConsistencyBoard(lanes), checkOfThisModel, config.CONSISTENCY_EVERY_MS, logger);
};

const rounds = (queueStatus: RabbitQueueStatus, lanes: PostgresLanes, consistency: RunConsistency, logger: Logger): Rounds => {
  const measureQueues = new MeasureQueues(queueStatus);
  const inbox = new PostgresInbox(lanes.lane('work'));
  return new Rounds(
    [
      { name: 'measure queues', everyMs: MEASURE_QUEUES_EVERY_MS, run: () => measureQueues.execute() },
      { name: 'consistency', everyMs: LOOK_AT_BOARD_EVERY_MS, run: (signal) => consistency.execute(signal) },
      { name: 'prune inbox', everyMs: PRUNE_INBOX_EVERY_MS, run: () => inbox.prune(INBOX_MEMORY_MS) },
    ],
    logger,
  );
};
