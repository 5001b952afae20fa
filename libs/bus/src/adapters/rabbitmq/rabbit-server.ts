import { hostname } from 'node:os';
import { type CustomTransportStrategy, Server } from '@nestjs/microservices';
import { pipeline } from '#lib/contracts/pipeline';
import type { Logger } from '#lib/runtime/log/logger';
import { Consumer, type ConsumerTiming, sumOf } from '../../consume/consumer.js';
import type { InboxPort } from '../../consume/run/inbox.port.js';
import type { BreakerView, PauseState } from '../../consume/pause.js';
import type { BatchHandler } from '../../consume/run/layer.js';
import type { DeadLetterListener } from '../../consume/settle/settle.js';
import { type PipelineRows, topologyOf } from '../../topology.js';
import { handlersOf, rowOf, rowsOf } from '../nest/nest-handlers.js';
import { connectionName, RabbitConnection } from './rabbit-connection.js';
import type { RabbitPublisher } from './rabbit-publisher.js';
import { RabbitDeliverySource } from './rabbit-delivery-source.js';
import { RabbitTopology, type TopologyDrift } from './rabbit-topology.js';

/** How a consuming process is set up. */
export interface RabbitServerOptions {
  /** Whose rows of the pipeline this process handles. */
  readonly app: string;
  readonly url: string;
  readonly heartbeatS: number;
  /** Publishes what handlers return, and the copies for retry and dead letter. Start it before this server and stop it after. */
  readonly publisher: RabbitPublisher;
  readonly breakers: BreakerView;
  /** Needed when one of the rows says `deduplicate`. */
  readonly inbox?: InboxPort;
  /** Batches handled at once, by queue, where it is not what the row says. */
  readonly concurrency?: Readonly<Record<string, number>>;
  /** Time that handlers get to finish when the process stops (BUS_DRAIN_MS). */
  readonly drainMs: number;
  readonly logger: Logger;
  /** Told about each event that went to a dead-letter queue, after it got there. What it throws is logged. */
  readonly onDeadLetter?: DeadLetterListener;
  readonly pipeline?: PipelineRows;
  readonly timing?: Partial<ConsumerTiming>;
}

// One set of batches being handled, one on its way. Small on purpose: what is prefetched by a process that dies has one more return
// on its count although nobody looked at it.
const PREFETCH_FACTOR = 2;

interface Running {
  readonly consumer: Consumer;
  readonly source: RabbitDeliverySource;
}

/**
 * Nest's transport over RabbitMQ: calls `@EventPattern('<queue>')` once per batch with the array of its events and publishes what it returns.
 * Connect it together with {@link OriginalErrors}. One connection, one channel per queue.
 */
export class RabbitServer extends Server implements CustomTransportStrategy {
  override readonly transportId = Symbol('parley-rabbitmq');
  /** The error of a handler is ours to report, with the event's ids. */
  override readonly propagatesEventHandlerErrors = true;
  private readonly connection: RabbitConnection;
  private readonly topology: RabbitTopology;
  private readonly rows: PipelineRows;
  private readonly running = new Map<string, Running>();
  private stopping: Promise<void> | undefined;

  constructor(private readonly options: RabbitServerOptions) {
    super();
    const { app, url, heartbeatS, logger } = options;
    this.rows = rowsOf(app, options.pipeline ?? pipeline);
    // Its own queues only: a user of RabbitMQ may be allowed no more.
    this.topology = new RabbitTopology(topologyOf(this.rows, options.timing?.retryDelaysMs), logger);
    this.connection = new RabbitConnection({
      url,
      name: connectionName(app, 'consume'),
      heartbeatS,
      logger,
      onOpen: async (model) => {
        await this.topology.declare(model);
        for (const { source } of this.running.values()) source.attach(model);
      },
      onLost: () => {
        for (const { source } of this.running.values()) source.detach();
      },
    });
  }

  /** Checks the handlers against the pipeline and begins to consume. Calls back after the first try to connect; RabbitMQ may be away. */
  async listen(callback: (error?: unknown) => void): Promise<void> {
    try {
      for (const [queue, handler] of handlersOf(this.messageHandlers, this.rows)) {
        this.running.set(queue, this.assemble(queue, handler));
      }
      for (const { consumer } of this.running.values()) consumer.start();
      await this.connection.start();
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

  /** Set when the broker's queues differ from what this version wants; such a process must not call itself ready. */
  get drift(): TopologyDrift | undefined {
    return this.topology.drift;
  }

  get isConnected(): boolean {
    return this.connection.current !== undefined;
  }

  /** Where each queue's pause stands. */
  pauseStates(): Record<string, PauseState> {
    return Object.fromEntries([...this.running].map(([queue, { consumer }]) => [queue, consumer.pauseState]));
  }

  on(): void {
    // Nest's hook for a driver's own events; ours are logs and metrics.
  }

  unwrap<T>(): T {
    return this.connection.current as T;
  }

  private assemble(queue: string, handler: BatchHandler): Running {
    const { app, publisher, logger, breakers, inbox, onDeadLetter, timing, concurrency = {} } = this.options;
    const row = rowOf(this.rows, queue, concurrency);
    const source = new RabbitDeliverySource({
      queue,
      prefetch: row.batch.size * row.concurrency * PREFETCH_FACTOR,
      consumerTag: `${app}@${hostname()}#${process.pid} ${queue}`,
      publisher,
      logger,
      onMissing: () => this.topology.declareSoon(),
    });
    const consumer = new Consumer({
      queue,
      row,
      source,
      handler,
      publisher,
      breakers,
      logger,
      inbox,
      onDeadLetter,
      ...(timing && { timing }),
    });
    return { consumer, source };
  }

  private async drain(): Promise<void> {
    const { drainMs, logger } = this.options;
    const drained = await Promise.all([...this.running.values()].map(({ consumer }) => consumer.stop(drainMs)));
    logger.info(sumOf(drained), 'consumers drained');
    this.topology.stop();
    await Promise.all([...this.running.values()].map(({ source }) => source.close()));
    await this.connection.stop();
  }
}
