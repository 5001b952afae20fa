import type { Provider, Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { pipeline, requests } from '#lib/contracts/pipeline';
import { dependencyProbe } from '#lib/resilience/call/dependency-probe';
import { Breakers } from '#lib/resilience/call/breakers';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { Health } from '#lib/runtime/health/health';
import { Readiness } from '#lib/runtime/health/readiness';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { answerSiblings } from '#lib/runtime/workers/sibling-workers';
import type { AnswerOptions, BusOptions, ConsumerOptions } from '../../bus-options.js';
import { InboxPort } from '../../consume/run/inbox.port.js';
import { ControlChannelPort } from '../../control/control-channel.port.js';
import { DeadLetters } from '../../dead-letters/dead-letters.js';
import { DeadLettersPort } from '../../dead-letters/dead-letters.port.js';
import { PublisherPort } from '../../publish/publisher.port.js';
import { QueueFill } from '../../queue-status/queue-fill.js';
import { QueueStatusPort } from '../../queue-status/queue-status.port.js';
import { QueueWatch } from '../../queue-status/queue-watch.js';
import { RequesterPort } from '../../request-reply/requester.port.js';
import type { PipelineRows } from '../../topology.js';
import { consuming } from '../nest/consuming.js';
import { OriginalErrors } from '../nest/original-errors.filter.js';
import { RabbitControlChannel } from './rabbit-control-channel.js';
import { RabbitDeadLetters } from './rabbit-dead-letters.js';
import { RabbitPublisher } from './rabbit-publisher.js';
import { RabbitQueueStatus } from './rabbit-queue-status.js';
import { RabbitRequester } from './rabbit-requester.js';
import { RabbitResponder } from './rabbit-responder.js';
import { RabbitServer } from './rabbit-server.js';
import type { TopologyDrift } from './rabbit-topology.js';

/** A provider with a token of its own. */
export type BusProvider = Exclude<Provider, Type>;

type Connected = Pick<RabbitPublisher, 'start' | 'stop'>;

/** What all parts on RabbitMQ have in common. */
class Rabbit {
  readonly settings: { readonly url: string; readonly app: string; readonly heartbeatS: number; readonly logger: Logger };
  private readonly drifts: (() => TopologyDrift | undefined)[] = [];

  constructor(
    app: string,
    config: Config,
    logger: Logger,
    private readonly lifecycle: Lifecycle,
    readiness: Readiness,
  ) {
    this.settings = { url: config.RABBITMQ_URL, app, heartbeatS: config.BUS_HEARTBEAT_S, logger };
    // Who serves users goes on: the outbox keeps what queues refuse.
    if (lifecycle.listens === 'first') readiness.holdWhile(() => this.drift?.message);
  }

  /** Starts and stops `part` with its process. */
  keep<T extends Connected>(name: string, phase: 'broker' | 'intake', part: T): T {
    this.lifecycle.add({ name, phase, start: () => part.start(), stop: () => part.stop() });
    return part;
  }

  /** Keeps the process from calling itself ready while the broker's queues differ from what this version wants. */
  watchDrift(part: { readonly drift: TopologyDrift | undefined }): void {
    this.drifts.push(() => part.drift);
  }

  private get drift(): TopologyDrift | undefined {
    for (const drift of this.drifts) {
      const found = drift();
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** The providers of a bus over RabbitMQ: they connect when the process starts. */
export const rabbitProviders = (app: string, { consumes, answers, queues, asks, deadLetters }: BusOptions): BusProvider[] => [
  {
    provide: Rabbit,
    inject: [CONFIG, LOGGER, Lifecycle, Readiness],
    useFactory: (config: Config, logger: Logger, lifecycle: Lifecycle, readiness: Readiness) =>
      new Rabbit(app, config, logger, lifecycle, readiness),
  },
  { provide: RabbitPublisher, inject: [Rabbit, CONFIG], useFactory: publisher },
  { provide: PublisherPort, useExisting: RabbitPublisher },
  {
    provide: ControlChannelPort,
    inject: [Rabbit],
    useFactory: (rabbit: Rabbit) => rabbit.keep('control channel', 'broker', new RabbitControlChannel(rabbit.settings)),
  },
  ...(queues ? queueProviders : []),
  ...(asks ? [{ provide: RequesterPort, inject: [Rabbit, Breakers], useFactory: requester(asks.timeoutMs) }] : []),
  ...(deadLetters ? deadLetterProviders : []),
  ...(consumes ? [serverProvider(app, consumes)] : []),
  ...(answers ? [{ provide: RabbitResponder, inject: [Rabbit, CONFIG, ModuleRef], useFactory: responder(answers) }] : []),
];

const publisher = (rabbit: Rabbit, config: Config): RabbitPublisher => {
  const { BUS_CONFIRM_WINDOW: window, BUS_PUBLISH_TIMEOUT_MS: confirmTimeoutMs } = config;
  const made = rabbit.keep('publisher', 'broker', new RabbitPublisher({ ...rabbit.settings, window, confirmTimeoutMs }));
  rabbit.watchDrift(made);
  answerSiblings('publisher', () =>
    made.failures.map((each) => ({ ...each, since: each.since.toISOString(), reason: each.reason.slice(0, 300) })),
  );
  return made;
};

const rows: PipelineRows = pipeline;

// Every queue that has a status has a row; one without would have no limit.
const capacityOf = (queue: string): number => rows[queue]?.maxLength ?? Number.POSITIVE_INFINITY;

const queueProviders: BusProvider[] = [
  {
    provide: RabbitQueueStatus,
    inject: [Rabbit, CONFIG, RabbitPublisher, Health, Breakers],
    useFactory: (rabbit: Rabbit, config: Config, published: RabbitPublisher, health: Health, breakers: Breakers) => {
      const options = { ...rabbit.settings, managementUrl: config.RABBITMQ_MANAGEMENT_URL };
      const queues = rabbit.keep('queue status', 'broker', new RabbitQueueStatus(options));
      health.add(dependencyProbe('rabbitmq', breakers, () => check(published, queues)));
      return queues;
    },
  },
  { provide: QueueStatusPort, useExisting: RabbitQueueStatus },
  { provide: QueueFill, inject: [QueueStatusPort], useFactory: (queues: QueueStatusPort) => new QueueFill(queues, capacityOf) },
  {
    provide: QueueWatch,
    inject: [QueueStatusPort, ControlChannelPort],
    useFactory: (queues: QueueStatusPort, control: ControlChannelPort) => new QueueWatch(queues, control),
  },
];

/** Degraded while some event cannot be published, or queues differ from what this version wants; an error has a code and no address. */
const check = async (published: RabbitPublisher, queues: RabbitQueueStatus): Promise<void | { readonly degraded: string }> => {
  if (!published.isHealthy) throw Object.assign(new Error('not connected'), { code: 'not-connected-or-blocked' });
  if (!(await queues.isAnswering())) throw Object.assign(new Error('no answer'), { code: 'timeout' });
  const [failure] = published.failures;
  if (failure !== undefined) return { degraded: `refuses ${failure.routingKey}: ${failure.code ?? failure.outcome}` };
  return published.drift === undefined ? undefined : { degraded: 'queues-differ' };
};

const requester =
  (timeoutMs: number) =>
  (rabbit: Rabbit, breakers: Breakers): RabbitRequester =>
    rabbit.keep('requester', 'broker', new RabbitRequester({ ...rabbit.settings, breakers, timeoutMs }));

const deadLetterProviders: BusProvider[] = [
  {
    provide: DeadLettersPort,
    inject: [Rabbit, RabbitPublisher],
    useFactory: ({ settings }: Rabbit, published: RabbitPublisher) => new RabbitDeadLetters({ ...settings, publisher: published }),
  },
  {
    provide: DeadLetters,
    inject: [DeadLettersPort, LOGGER],
    useFactory: (letters: DeadLettersPort, logger: Logger) => new DeadLetters(letters, logger),
  },
];

const serverProvider = (app: string, options: true | ConsumerOptions): BusProvider => ({
  provide: RabbitServer,
  inject: [Rabbit, RabbitPublisher, Breakers, CONFIG, ModuleRef, Lifecycle, { token: InboxPort, optional: true }],
  useFactory: (
    rabbit: Rabbit,
    published: RabbitPublisher,
    breakers: Breakers,
    config: Config,
    moduleRef: ModuleRef,
    lifecycle: Lifecycle,
    inbox: InboxPort | undefined,
  ) => {
    const { stopWithinMs, ...told } = consuming(app, pipeline, options, { config, moduleRef });
    const server = new RabbitServer({ ...rabbit.settings, publisher: published, breakers, ...(inbox && { inbox }), ...told });
    lifecycle.addTransport({ name: 'consumers', strategy: server, filters: [new OriginalErrors()], stopWithinMs });
    rabbit.watchDrift(server);
    return server;
  },
});

const responder =
  ({ queue, question, by, concurrency }: AnswerOptions) =>
  (rabbit: Rabbit, config: Config, moduleRef: ModuleRef): RabbitResponder => {
    const answer = (asked: unknown) => moduleRef.get(by, { strict: false }).answer(asked);
    const options = { queue, row: requests[queue], question, answer, concurrency: concurrency(config) };
    const made = rabbit.keep('responder', 'intake', new RabbitResponder({ ...rabbit.settings, ...options }));
    rabbit.watchDrift(made);
    return made;
  };
