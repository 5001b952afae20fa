import { ModuleRef } from '@nestjs/core';
import { requests } from '#lib/contracts/pipeline';
import { dependencyProbe } from '#lib/resilience/call/dependency-probe';
import { Breakers } from '#lib/resilience/call/breakers';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { Health } from '#lib/runtime/health/health';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import type { AnswerOptions, BusOptions } from '../../bus-options.js';
import { ControlChannelPort } from '../../control/control-channel.port.js';
import { DeadLetters } from '../../dead-letters/dead-letters.js';
import { DeadLettersPort } from '../../dead-letters/dead-letters.port.js';
import { PublisherPort } from '../../publish/publisher.port.js';
import { QueueFill } from '../../queue-status/queue-fill.js';
import { QueueStatusPort } from '../../queue-status/queue-status.port.js';
import { QueueWatch } from '../../queue-status/queue-watch.js';
import { RequesterPort } from '../../request-reply/requester.port.js';
import { InProcessBus } from '../memory/in-process-bus.js';
import { inProcessServer } from '../memory/memory-providers.js';
import { MemoryControlChannel } from '../memory/memory-control-channel.js';
import type { BusProvider } from '../rabbitmq/rabbit-providers.js';
import { InProcessRequests } from './in-process-requests.js';
import type { JournaledBus } from './journaled-bus.js';
import { JournaledDeadLetters } from './journaled-dead-letters.js';
import { JournaledQueueStatus } from './journaled-queue-status.js';

/** The bus that the apps of one process share; who makes it opens and stops it. */
export interface SharedBus {
  readonly bus: JournaledBus;
  readonly requests: InProcessRequests;
  /** One for all apps: a lock of a queue is one lock. */
  readonly deadLetters: JournaledDeadLetters;
  /** As the process is named among those that operators see. */
  readonly process: string;
}

/** The providers of an app on a bus that it shares with the others of its process. */
export const journaledProviders = (
  app: string,
  options: BusOptions,
  { bus, requests: all, deadLetters, process }: SharedBus,
): BusProvider[] => {
  const { consumes, answers, queues, asks, deadLetters: hasDeadLetters } = options;
  return [
    { provide: InProcessBus, useValue: bus },
    { provide: PublisherPort, useExisting: InProcessBus },
    { provide: ControlChannelPort, useFactory: () => new MemoryControlChannel(process) },
    ...(queues ? queueProviders(bus) : []),
    ...(asks ? [{ provide: RequesterPort, useValue: all }] : []),
    ...(hasDeadLetters ? deadLetterProviders(deadLetters) : []),
    ...(consumes ? [inProcessServer(app, consumes)] : []),
    ...(answers ? [responder(answers, all)] : []),
  ];
};

const queueProviders = (bus: JournaledBus): BusProvider[] => [
  {
    provide: QueueStatusPort,
    inject: [Health, Breakers],
    useFactory: (health: Health, breakers: Breakers) => {
      health.add(dependencyProbe('rabbitmq', breakers, async () => check(bus)));
      return new JournaledQueueStatus(bus);
    },
  },
  {
    provide: QueueFill,
    inject: [QueueStatusPort],
    useFactory: (queues: QueueStatusPort) => new QueueFill(queues, (name) => bus.pipeline[name]?.maxLength ?? Number.POSITIVE_INFINITY),
  },
  {
    provide: QueueWatch,
    inject: [QueueStatusPort, ControlChannelPort],
    useFactory: (queues: QueueStatusPort, control: ControlChannelPort) => new QueueWatch(queues, control),
  },
];

const check = (bus: JournaledBus): void => {
  if (!bus.isHealthy) throw Object.assign(new Error('the journal cannot be written'), { code: 'journal-not-written' });
};

const deadLetterProviders = (letters: JournaledDeadLetters): BusProvider[] => [
  { provide: DeadLettersPort, useValue: letters },
  {
    provide: DeadLetters,
    inject: [DeadLettersPort, LOGGER],
    useFactory: (port: DeadLettersPort, logger: Logger) => new DeadLetters(port, logger),
  },
];

const responder = ({ queue, question, by, concurrency }: AnswerOptions, all: InProcessRequests): BusProvider => ({
  provide: `responder of ${queue}`,
  inject: [CONFIG, ModuleRef, Lifecycle],
  useFactory: (config: Config, moduleRef: ModuleRef, lifecycle: Lifecycle) => {
    const answer = (asked: unknown) => moduleRef.get(by, { strict: false }).answer(asked);
    const start = () => all.respond(queue, { row: requests[queue], question, answer, concurrency: concurrency(config) });
    lifecycle.add({ name: 'responder', phase: 'intake', start });
    return queue;
  },
});
