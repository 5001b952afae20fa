import { type CustomTransportStrategy, Server } from '@nestjs/microservices';
import type { Logger } from '#lib/runtime/log/logger';
import { Consumer } from '../../consume/consumer.js';
import { type ConsumerTiming, sumOf } from '../../consume/consumer-settings.js';
import type { DeliverySourcesPort } from '../../consume/source/delivery-source.port.js';
import type { BreakerView, PauseState } from '../../consume/pause.js';
import type { InboxPort } from '../../consume/run/inbox.port.js';
import type { BatchHandler } from '../../consume/run/layer.js';
import type { DeadLetterListener } from '../../consume/settle/settle.js';
import type { PublisherPort } from '../../publish/publisher.port.js';
import type { PipelineRows } from '../../topology.js';
import { handlersOf, rowOf, rowsOf } from './nest-handlers.js';

/** How a consuming process is set up, whatever the transport. */
export interface EventServerOptions {
  /** The app whose rows of the pipeline this process handles. */
  readonly app: string;
  readonly breakers: BreakerView;
  /** Needed when one of the rows says `deduplicate`. */
  readonly inbox?: InboxPort;
  /** Batches handled at once, by queue, where it differs from the row. */
  readonly concurrency?: Readonly<Record<string, number>>;
  /** Time that handlers get to finish when the process stops (BUS_DRAIN_MS). */
  readonly drainMs: number;
  readonly logger: Logger;
  /** Called with each event once it lies in a dead-letter queue. What it throws is logged. */
  readonly onDeadLetter?: DeadLetterListener;
  readonly timing?: Partial<ConsumerTiming>;
}

/** What a transport brings to the server. */
export interface EventTransport {
  readonly sources: DeliverySourcesPort;
  /** Publishes what handlers return. */
  readonly publisher: PublisherPort;
  readonly pipeline: PipelineRows;
}

// One set of batches being handled, one on its way. Small on purpose: each message prefetched by a process that dies counts one more
// return, although no handler saw it.
const PREFETCH_FACTOR = 2;

/**
 * Nest's transport strategy for events: calls `@EventPattern('<queue>')` once per batch with the array of its events and publishes what it
 * returns. Connect it together with {@link OriginalErrors}.
 */
export abstract class EventServer extends Server implements CustomTransportStrategy {
  override readonly transportId = Symbol('parley');
  /** The consumer reports the error of a handler, with the event's ids. */
  override readonly propagatesEventHandlerErrors = true;
  private readonly consumers = new Map<string, Consumer>();
  private stopping: Promise<void> | undefined;

  protected constructor(
    private readonly settings: EventServerOptions,
    private readonly transport: EventTransport,
  ) {
    super();
  }

  /** Checks the handlers against the pipeline and starts to consume. Calls back after the first try to connect; the broker may be away. */
  async listen(callback: (error?: unknown) => void): Promise<void> {
    try {
      const rows = rowsOf(this.settings.app, this.transport.pipeline);
      for (const [queue, handler] of handlersOf(this.messageHandlers, rows)) this.consumers.set(queue, this.consumerOf(queue, handler));
      for (const consumer of this.consumers.values()) consumer.start();
      await this.transport.sources.start();
      callback();
    } catch (error) {
      callback(error);
    }
  }

  /** Drains and closes (messaging rule 10). Repeated calls wait for the first. Settles within `drainMs` and about 5 s. */
  close(): Promise<void> {
    this.stopping ??= this.drain();
    return this.stopping;
  }

  /** The pause state of each queue. */
  pauseStates(): Record<string, PauseState> {
    return Object.fromEntries([...this.consumers].map(([queue, consumer]) => [queue, consumer.pauseState]));
  }

  on(): void {
    // Nest's hook for a driver's own events; ours are logs and metrics.
  }

  unwrap<T>(): T {
    return this.transport.sources.client as T;
  }

  private consumerOf(queue: string, handler: BatchHandler): Consumer {
    const { breakers, inbox, concurrency, logger, onDeadLetter, timing } = this.settings;
    const { sources, publisher, pipeline } = this.transport;
    const row = rowOf(pipeline, queue, concurrency);
    return new Consumer({
      queue,
      row,
      source: sources.sourceOf(queue, row.batch.size * row.concurrency * PREFETCH_FACTOR),
      handler,
      publisher,
      breakers,
      logger,
      inbox,
      onDeadLetter,
      ...(timing && { timing }),
    });
  }

  private async drain(): Promise<void> {
    const { drainMs, logger } = this.settings;
    const drained = await Promise.all([...this.consumers.values()].map((consumer) => consumer.stop(drainMs)));
    logger.info(sumOf(drained), 'consumers drained');
    await this.transport.sources.stop();
  }
}
