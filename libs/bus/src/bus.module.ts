import { type DynamicModule, Module } from '@nestjs/common';
import { journaledProviders, type SharedBus } from './adapters/embedded/journaled-providers.js';
import { type InMemoryOptions, memoryProviders } from './adapters/memory/memory-providers.js';
import { type BusProvider, rabbitProviders } from './adapters/rabbitmq/rabbit-providers.js';
import type { BusOptions } from './bus-options.js';

/**
 * Events, questions, and the state of the queues. Exports PublisherPort, ControlChannelPort and what the options ask for.
 *
 *     BusModule.for('embedding', { consumes: true })
 *     BusModule.inMemory()
 */
@Module({})
export class BusModule {
  /**
   * On RabbitMQ. @param app whose rows of the pipeline it handles; it names the connections.
   * @param shared the bus of a process with several apps, in place of RabbitMQ.
   */
  static for(app: string, options: BusOptions = {}, shared?: SharedBus): DynamicModule {
    return of(shared === undefined ? rabbitProviders(app, options) : journaledProviders(app, options, shared));
  }

  /** All ports of the bus inside the process. @param app whose rows it handles when it consumes. */
  static inMemory(app = 'memory', options: InMemoryOptions = {}): DynamicModule {
    return of(memoryProviders(app, options));
  }
}

const of = (providers: BusProvider[]): DynamicModule => ({
  module: BusModule,
  global: true,
  providers,
  exports: providers.map(({ provide }) => provide),
});
