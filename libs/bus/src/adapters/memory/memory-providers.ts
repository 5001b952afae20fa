import { ModuleRef } from '@nestjs/core';
import { Breakers } from '#lib/resilience/call/breakers';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import type { BusOptions, ConsumerOptions } from '../../bus-options.js';
import { InboxPort } from '../../consume/run/inbox.port.js';
import { ControlChannelPort } from '../../control/control-channel.port.js';
import { DeadLetters } from '../../dead-letters/dead-letters.js';
import { DeadLettersPort } from '../../dead-letters/dead-letters.port.js';
import { PublisherPort } from '../../publish/publisher.port.js';
import { QueueFill } from '../../queue-status/queue-fill.js';
import { QueueStatusPort } from '../../queue-status/queue-status.port.js';
import { QueueWatch } from '../../queue-status/queue-watch.js';
import { RequesterPort } from '../../request-reply/requester.port.js';
import { consuming } from '../nest/consuming.js';
import { OriginalErrors } from '../nest/original-errors.filter.js';
import type { BusProvider } from '../rabbitmq/rabbit-providers.js';
import { InProcessBus } from './in-process-bus.js';
import { MemoryBus } from './memory-bus.js';
import { MemoryControlChannel } from './memory-control-channel.js';
import { MemoryDeadLetters } from './memory-dead-letters.js';
import { MemoryQueueStatus } from './memory-queue-status.js';
import { MemoryRequester } from './memory-requester.js';
import { MemoryServer } from './memory-server.js';

/** The bus inside a process has every port. */
export interface InMemoryOptions extends Pick<BusOptions, 'consumes' | 'answers'> {
  /** The bus that several apps of one process share; its owner stops it. Left out, the app has one of its own. */
  readonly bus?: MemoryBus;
}

/** The providers of a bus inside the process. */
export const memoryProviders = (app: string, { consumes, answers, bus }: InMemoryOptions): BusProvider[] => [
  {
    provide: MemoryBus,
    inject: [CONFIG, Lifecycle],
    useFactory: ({ BUS_BUFFER_SIZE: bufferSize, BUS_PUBLISH_TIMEOUT_MS: publishTimeoutMs }: Config, lifecycle: Lifecycle) => {
      if (bus !== undefined) return bus;
      const made = new MemoryBus({ bufferSize, publishTimeoutMs });
      lifecycle.add({ name: 'memory bus', phase: 'broker', stop: () => made.stop() });
      return made;
    },
  },
  { provide: InProcessBus, useExisting: MemoryBus },
  { provide: PublisherPort, useExisting: MemoryBus },
  { provide: ControlChannelPort, useFactory: () => new MemoryControlChannel(app) },
  { provide: QueueStatusPort, inject: [MemoryBus], useFactory: (memory: MemoryBus) => new MemoryQueueStatus(memory) },
  {
    provide: QueueFill,
    inject: [QueueStatusPort, CONFIG],
    useFactory: (queues: QueueStatusPort, { BUS_BUFFER_SIZE }: Config) => new QueueFill(queues, () => BUS_BUFFER_SIZE),
  },
  {
    provide: QueueWatch,
    inject: [QueueStatusPort, ControlChannelPort],
    useFactory: (queues: QueueStatusPort, control: ControlChannelPort) => new QueueWatch(queues, control),
  },
  {
    provide: MemoryRequester,
    inject: [ModuleRef],
    useFactory: (moduleRef: ModuleRef) => {
      const requester = new MemoryRequester();
      if (answers) requester.respond(answers.queue, (question) => moduleRef.get(answers.by, { strict: false }).answer(question));
      return requester;
    },
  },
  { provide: RequesterPort, useExisting: MemoryRequester },
  { provide: DeadLettersPort, inject: [MemoryBus], useFactory: (memory: MemoryBus) => new MemoryDeadLetters(memory) },
  {
    provide: DeadLetters,
    inject: [DeadLettersPort, LOGGER, MemoryBus],
    useFactory: (letters: DeadLettersPort, logger: Logger, { pipeline }: MemoryBus) =>
      new DeadLetters(letters, logger, undefined, pipeline),
  },
  ...(consumes ? [inProcessServer(app, consumes)] : []),
];

/** Consumes from the InProcessBus of its module. */
export const inProcessServer = (app: string, options: true | ConsumerOptions): BusProvider => ({
  provide: MemoryServer,
  inject: [InProcessBus, Breakers, CONFIG, ModuleRef, LOGGER, Lifecycle, { token: InboxPort, optional: true }],
  useFactory: (
    bus: InProcessBus,
    breakers: Breakers,
    config: Config,
    moduleRef: ModuleRef,
    logger: Logger,
    lifecycle: Lifecycle,
    inbox: InboxPort | undefined,
  ) => {
    const { stopWithinMs, ...told } = consuming(app, bus.pipeline, options, { config, moduleRef });
    const server = new MemoryServer({ app, bus, breakers, logger, ...(inbox && { inbox }), ...told });
    lifecycle.addTransport({ name: 'consumers', strategy: server, filters: [new OriginalErrors()], stopWithinMs });
    return server;
  },
});
