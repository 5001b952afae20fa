import { type DynamicModule, Module } from '@nestjs/common';
import { RabbitControlChannel } from '#lib/bus/adapters/rabbitmq/rabbit-control-channel';
import { controlChannelFor, publisherFor, queueStatusFor } from '#lib/bus/adapters/rabbitmq/rabbit-for';
import { RabbitPublisher } from '#lib/bus/adapters/rabbitmq/rabbit-publisher';
import { RabbitQueueStatus } from '#lib/bus/adapters/rabbitmq/rabbit-queue-status';
import { PostgresTextIndex } from '#lib/conversations/adapters/postgres-text-index';
import { IndexTexts } from '#lib/conversations/index-texts';
import { QueueWatch } from '#lib/bus/queue-status/queue-watch';
import { PostgresInbox } from '#lib/database/inbox/adapters/postgres-inbox';
import { lanesFor } from '#lib/database/adapters/lanes/lanes-for';
import { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { PostgresOutbox } from '#lib/database/outbox/adapters/postgres-outbox';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { Breakers } from '#lib/resilience/call/breakers';
import { shareBreakers } from '#lib/resilience/call/share-breakers';
import { ProcessModule } from '#lib/runtime/process/process.module';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { createOperationsApp } from '#lib/runtime/process/http-server';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import type { ProcessParts } from '#lib/runtime/process/run-process';
import { ChromaVectorStore } from '#lib/vectors/store/adapters/chroma-vector-store';
import { createEmbedder } from '#lib/vectors/embedder/adapters/create-embedder';
import { PostgresConsistencyRuns } from '#lib/vectors/consistency/adapters/postgres-consistency-runs';
import { PostgresVectorWrites } from '#lib/vectors/store/adapters/postgres-vector-writes';
import { PostgresIndexableMessages } from './adapters/postgres-indexable-messages.js';
import { CheckConsistency } from './consistency/check-consistency.js';
import { FollowUnsettledWrites } from './consistency/follow-unsettled-writes.js';
import { RunConsistency } from './consistency/run-consistency.js';
import { MeasureQueues } from './measure-queues.js';
import { PeriodicTasks } from './periodic-tasks.js';

const APP = 'ops';

const MEASURE_QUEUES_EVERY_MS = 5_000;
const FOLLOW_WRITES_EVERY_MS = 10_000;
/** How long an operator waits for a comparison to begin. */
const LOOK_AT_BOARD_EVERY_MS = 2_000;
/** Pause between two looks for texts to index: most of the time from an acknowledgement until search knows the words. */
const INDEX_TEXTS_EVERY_MS = 100;
const RETRY_TEXTS_EVERY_MS = 10_000;
const MEASURE_TEXTS_EVERY_MS = 5_000;
const PRUNE_INBOX_EVERY_MS = 3_600_000;
/** Longer than an event can come back: a dead letter that is older than a month is discarded, not replayed. */
const INBOX_MEMORY_MS = 30 * 24 * 3_600_000;

/** Chooses the adapters of the ops process: the outbox sweep, the text indexer, the queue metrics, the upkeep. Building it reaches nobody. */
@Module({})
export class OpsModule {
  static of(parts: ProcessParts): DynamicModule {
    return {
      module: OpsModule,
      imports: [ProcessModule.of(parts)],
      providers: [
        { provide: Breakers, useFactory: (logger: Logger) => shareBreakers(createBreakers(), logger), inject: [LOGGER] },
        { provide: PostgresLanes, inject: [CONFIG, Breakers, LOGGER], useFactory: lanesFor(APP) },
        { provide: RabbitPublisher, inject: [CONFIG, LOGGER], useFactory: publisherFor(APP) },
        { provide: RabbitQueueStatus, inject: [CONFIG, LOGGER], useFactory: queueStatusFor(APP) },
        { provide: RabbitControlChannel, inject: [CONFIG, LOGGER], useFactory: controlChannelFor(APP) },
        { provide: LaneDataSource, inject: [PostgresLanes], useFactory: (lanes: PostgresLanes) => LaneDataSource.over(lanes.lane('work')) },
        { provide: OutboxRelay, inject: [CONFIG, PostgresLanes, RabbitPublisher, LOGGER], useFactory: outboxRelay },
        { provide: VectorChecks, inject: [CONFIG, PostgresLanes, RabbitQueueStatus, Breakers], useFactory: vectorChecks },
        { provide: RunConsistency, inject: [CONFIG, LaneDataSource, VectorChecks, LOGGER], useFactory: runConsistency },
        {
          provide: PeriodicTasks,
          inject: [RabbitQueueStatus, RabbitControlChannel, PostgresLanes, RunConsistency, VectorChecks, LOGGER],
          useFactory: rounds,
        },
      ],
    };
  }
}

/**
 * Builds the process and starts its loops; resolves when it listens, also when everything that it depends on is away.
 * @returns what stops it: no new sweeps, then what is being published, then connections.
 */
export async function startOps(parts: ProcessParts): Promise<() => Promise<void>> {
  const { config, readiness } = parts;
  const app = await createOperationsApp(OpsModule.of(parts));
  const publisher = app.get(RabbitPublisher);
  const queueStatus = app.get(RabbitQueueStatus);
  const relay = app.get(OutboxRelay);
  const upkeep = app.get(PeriodicTasks);
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

/** What looks at vectors. Not made before it is needed: a remote model may have to be asked for its dimension, which names the collection. */
class VectorChecks {
  private vectors: Promise<ChromaVectorStore> | undefined;

  constructor(
    private readonly config: Config,
    private readonly lanes: PostgresLanes,
    private readonly queueStatus: RabbitQueueStatus,
    private readonly breakers: Breakers,
  ) {}

  async consistency(): Promise<CheckConsistency> {
    const work = this.lanes.lane('work');
    const settings = { graceMs: this.config.CONSISTENCY_GRACE_MS };
    return new CheckConsistency(this.messages(), await this.store(), this.queueStatus, new PostgresOutbox(work), settings);
  }

  async unsettledWrites(): Promise<FollowUnsettledWrites> {
    return new FollowUnsettledWrites(new PostgresVectorWrites(this.lanes.lane('work')), this.messages(), await this.store());
  }

  private messages(): PostgresIndexableMessages {
    return new PostgresIndexableMessages(this.lanes.lane('work'));
  }

  private store(): Promise<ChromaVectorStore> {
    this.vectors ??= this.openStore().catch((error: unknown) => {
      this.vectors = undefined; // asked again next time
      throw error;
    });
    return this.vectors;
  }

  private async openStore(): Promise<ChromaVectorStore> {
    const { model, dimension } = await createEmbedder(this.config, this.breakers);
    return new ChromaVectorStore({ url: this.config.CHROMA_URL, token: this.config.CHROMA_TOKEN, model, dimension }, this.breakers);
  }
}

const vectorChecks = (config: Config, lanes: PostgresLanes, queueStatus: RabbitQueueStatus, breakers: Breakers): VectorChecks =>
  new VectorChecks(config, lanes, queueStatus, breakers);

const runConsistency = (config: Config, dataSource: LaneDataSource, checks: VectorChecks, logger: Logger): RunConsistency =>
  new RunConsistency(new PostgresConsistencyRuns(dataSource), () => checks.consistency(), config.CONSISTENCY_EVERY_MS, logger);

const rounds = (
  queueStatus: RabbitQueueStatus,
  control: RabbitControlChannel,
  lanes: PostgresLanes,
  consistency: RunConsistency,
  checks: VectorChecks,
  logger: Logger,
): PeriodicTasks => {
  const measureQueues = new MeasureQueues(new QueueWatch(queueStatus, control));
  const inbox = new PostgresInbox(lanes.lane('work'));
  const indexTexts = new IndexTexts(new PostgresTextIndex(lanes.lane('work')), logger);
  return new PeriodicTasks(
    [
      { name: 'measure queues', everyMs: MEASURE_QUEUES_EVERY_MS, run: () => measureQueues.execute() },
      { name: 'consistency', everyMs: LOOK_AT_BOARD_EVERY_MS, run: (signal) => consistency.execute(signal) },
      {
        name: 'unsettled vector writes',
        everyMs: FOLLOW_WRITES_EVERY_MS,
        run: async () => (await checks.unsettledWrites()).execute(),
      },
      { name: 'index texts', everyMs: INDEX_TEXTS_EVERY_MS, run: (signal) => indexTexts.execute(signal) },
      { name: 'retry texts', everyMs: RETRY_TEXTS_EVERY_MS, run: (signal) => indexTexts.retry(signal) },
      { name: 'measure texts', everyMs: MEASURE_TEXTS_EVERY_MS, run: () => indexTexts.measure() },
      { name: 'prune inbox', everyMs: PRUNE_INBOX_EVERY_MS, run: () => inbox.prune(INBOX_MEMORY_MS) },
    ],
    logger,
  );
};
