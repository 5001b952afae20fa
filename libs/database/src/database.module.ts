import { type DynamicModule, Module, type Provider, type Type } from '@nestjs/common';
import { PublisherPort } from '#lib/bus/publish/publisher.port';
import { InboxPort } from '#lib/bus/consume/run/inbox.port';
import { dependencyProbe } from '#lib/resilience/call/dependency-probe';
import { Breakers } from '#lib/resilience/call/breakers';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { Health } from '#lib/runtime/health/health';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { processName } from '#lib/runtime/process/process-name';
import { checkPoolBudget } from './adapters/lanes/check-pool-budget.js';
import { PostgresLanes } from './adapters/lanes/postgres-lanes.js';
import { DATA_SOURCE } from './data-source-token.js';
import { MemoryMessageTraces } from './traces/adapters/memory-message-traces.js';
import { PostgresMessageTraces } from './traces/adapters/postgres-message-traces.js';
import { MessageTracesPort } from './traces/message-traces.port.js';
import { MemoryLockWaits } from './adapters/memory-lock-waits.js';
import { PostgresLockWaits } from './adapters/postgres-lock-waits.js';
import { MemoryInbox } from './inbox/adapters/memory-inbox.js';
import { PostgresInbox } from './inbox/adapters/postgres-inbox.js';
import { LockWaitsPort } from './lock-waits.port.js';
import { MemoryOutbox } from './outbox/adapters/memory-outbox.js';
import { PostgresOutbox } from './outbox/adapters/postgres-outbox.js';
import { OutboxPort } from './outbox/outbox.port.js';
import { OutboxRelay } from './outbox/outbox-relay.js';
import { ParkedEvents } from './outbox/parked-events.js';
import { budgetedProcesses, type LaneName, poolShares } from './pool-budget.js';

/** What an app needs of Postgres beside its connections. */
export interface DatabaseOptions {
  /** OutboxPort, OutboxRelay (which runs in the background) and ParkedEvents. */
  readonly relay?: true;
  /** InboxPort: for a consumer whose row says `deduplicate`, and for who prunes it. */
  readonly inbox?: true;
  /** DATA_SOURCE, a LaneDataSource: TypeORM's repositories, for the cold paths, over this lane. */
  readonly entities?: LaneName;
  /** LockWaitsPort. */
  readonly lockWaits?: true;
  /** MessageTracesPort. */
  readonly traces?: true;
  /** Warns at start when the connections of all processes do not fit into Postgres (R057). */
  readonly warnsOfBudget?: true;
}

/** The lanes of connections to Postgres, the outbox with its relay, the inbox. Exports PostgresLanes and what is asked for; adds the probe `postgres`. */
@Module({})
export class DatabaseModule {
  /** @param app whose share of connections it is, and their name. @param shared the lanes of a process with several apps; who made them closes them. */
  static for(
    app: string,
    { relay, inbox, entities, lockWaits, traces, warnsOfBudget }: DatabaseOptions = {},
    shared?: PostgresLanes,
  ): DynamicModule {
    const lanes: Provider = {
      provide: PostgresLanes,
      inject: [CONFIG, Breakers, LOGGER, Lifecycle, Health],
      useFactory: lanesOf(app, warnsOfBudget === true, shared),
    };
    return of([
      lanes,
      ...(relay ? [{ provide: OutboxPort, ...withLanes((all) => new PostgresOutbox(all.lane('relay'))) }, outboxRelay, parkedEvents] : []),
      ...(inbox ? [{ provide: InboxPort, ...withLanes((all) => new PostgresInbox(all.lane('work'))) }] : []),
      ...(entities ? [dataSourceOver(entities)] : []),
      ...(traces ? [{ provide: MessageTracesPort, ...withLanes((all) => new PostgresMessageTraces(all.lane('reads'))) }] : []),
      ...(lockWaits ? [{ provide: LockWaitsPort, ...withLanes((all) => new PostgresLockWaits(all.lane('health'))) }] : []),
    ]);
  }

  static inMemory(): DynamicModule {
    return of([
      { provide: MemoryOutbox, useFactory: () => new MemoryOutbox() },
      { provide: OutboxPort, useExisting: MemoryOutbox },
      outboxRelay,
      parkedEvents,
      { provide: InboxPort, useFactory: () => new MemoryInbox() },
      { provide: LockWaitsPort, useFactory: () => new MemoryLockWaits() },
      { provide: MessageTracesPort, useFactory: () => new MemoryMessageTraces() },
    ]);
  }
}

const of = (providers: Exclude<Provider, Type>[]): DynamicModule => ({
  module: DatabaseModule,
  global: true,
  providers,
  exports: providers.map(({ provide }) => provide),
});

const withLanes = <T>(make: (lanes: PostgresLanes) => T) => ({ inject: [PostgresLanes], useFactory: make });

const dataSourceOver = (lane: LaneName) => ({
  provide: DATA_SOURCE,
  ...withLanes(async (lanes) => (await import('./adapters/lane-data-source.js')).LaneDataSource.over(lanes.lane(lane))),
});

/** The connections of one process. @param app their name and their shares. */
export const makeLanes = (app: string, config: Config, breakers: Breakers, logger: Logger): PostgresLanes =>
  new PostgresLanes({
    url: config.DATABASE_URL,
    applicationName: processName(app),
    lanes: poolShares(config.DB_POOL_SIZE, app),
    acquireTimeoutMs: config.DB_POOL_TIMEOUT_MS,
    statementTimeoutMs: config.DB_STATEMENT_TIMEOUT_MS,
    slowQueryMs: config.DB_SLOW_QUERY_MS,
    breakers,
    logger,
  });

const lanesOf =
  (app: string, warnsOfBudget: boolean, shared: PostgresLanes | undefined) =>
  (config: Config, breakers: Breakers, logger: Logger, lifecycle: Lifecycle, health: Health): PostgresLanes => {
    const lanes = shared ?? makeLanes(app, config, breakers, logger);
    lifecycle.add({
      name: 'postgres',
      phase: 'stores',
      start: () => (warnsOfBudget && shared === undefined ? warnOfBudget(lanes, config, logger) : undefined),
      stop: () => (shared === undefined ? lanes.close() : undefined),
    });
    const ask = async () => void (await lanes.lane('health').query('SELECT 1'));
    health.add(dependencyProbe('postgres', breakers, ask, { isVital: true }));
    return lanes;
  };

// A process that is being scaled out must not refuse to start; `migrate` is where a budget that does not fit stops a rollout.
const warnOfBudget = async (lanes: PostgresLanes, config: Config, logger: Logger): Promise<void> => {
  const declared = { processes: budgetedProcesses(config), poolSize: config.DB_POOL_SIZE };
  try {
    await checkPoolBudget(lanes.lane('health'), declared, { logger, whenExceeded: 'warn' });
  } catch (err) {
    logger.warn({ err }, 'Postgres does not answer: starting anyway, requests get 503 until it does');
  }
};

const outboxRelay = {
  provide: OutboxRelay,
  inject: [OutboxPort, PublisherPort, CONFIG, LOGGER, Lifecycle],
  useFactory: (
    outbox: OutboxPort,
    publisher: PublisherPort,
    { OUTBOX_SWEEP_MS: sweepMs, OUTBOX_GRACE_MS: graceMs }: Config,
    logger: Logger,
    lifecycle: Lifecycle,
  ): OutboxRelay => {
    const relay = new OutboxRelay(outbox, publisher, { sweepMs, graceMs }, logger);
    lifecycle.add({ name: 'outbox relay', phase: 'background', start: () => relay.start(), stop: () => relay.stop() });
    return relay;
  },
};

const parkedEvents = {
  provide: ParkedEvents,
  inject: [OutboxPort, LOGGER],
  useFactory: (outbox: OutboxPort, logger: Logger) => new ParkedEvents(outbox, logger),
};
