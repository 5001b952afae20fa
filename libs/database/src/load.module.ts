import { Module } from '@nestjs/common';
import { PublisherPort } from '#lib/bus/publish/publisher.port';
import { QueueFill } from '#lib/bus/queue-status/queue-fill';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { MemoryPressure, memoryLimitBytes, memoryUse } from '#lib/resilience/load/memory-pressure';
import { Pressure, type PressureSource, sustained } from '#lib/resilience/load/pressure';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';

/** Looks at the confirm window three times before it believes that it is full: a burst fills it for a moment. */
const WINDOW_LOOKS = 3;

const share = (value: number | undefined, of: number) => (value === undefined ? undefined : value / of);

/** What fills up when events come faster than they are handled, and how far each may raise the level (ruling C4). */
const pressure = (
  queues: QueueFill,
  relay: OutboxRelay,
  publisher: PublisherPort,
  config: Config,
  logger: Logger,
  lifecycle: Lifecycle,
) => {
  const sources: readonly PressureSource[] = [
    { name: 'queues', read: () => queues.read() },
    { name: 'outbox', read: () => share(relay.depth?.pending, config.OUTBOX_MAX_PENDING) },
    { name: 'outbox_age', read: () => share(relay.depth?.oldestAgeSeconds, config.OUTBOX_MAX_AGE_S) },
    // What finds no place in there waits in the outbox, so it alone refuses no request (law 2).
    { name: 'publish_buffer', read: sustained(() => publisher.bufferUsed, WINDOW_LOOKS), atMost: 'warn' },
  ];
  const made = new Pressure(sources, logger);
  lifecycle.add({ name: 'pressure', phase: 'background', start: () => made.start(), stop: () => made.stop() });
  return made;
};

const memoryPressure = (config: Config, logger: Logger, lifecycle: Lifecycle) => {
  const limitBytes = memoryLimitBytes(config.MEMORY_LIMIT_BYTES, config.WEB_CONCURRENCY);
  const made = new MemoryPressure(() => memoryUse(limitBytes), logger);
  lifecycle.add({ name: 'memory pressure', phase: 'background', start: () => made.start(), stop: () => made.stop() });
  return made;
};

/** How full the pipeline and this process are: what the edge refuses requests for. */
@Module({
  providers: [
    { provide: Pressure, inject: [QueueFill, OutboxRelay, PublisherPort, CONFIG, LOGGER, Lifecycle], useFactory: pressure },
    { provide: MemoryPressure, inject: [CONFIG, LOGGER, Lifecycle], useFactory: memoryPressure },
  ],
  exports: [Pressure, MemoryPressure],
})
export class LoadModule {}
