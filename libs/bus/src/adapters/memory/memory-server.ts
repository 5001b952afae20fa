import { type CustomTransportStrategy, Server } from '@nestjs/microservices';
import type { Logger } from '#lib/runtime/log/logger';
import { Consumer, type ConsumerTiming, sumOf } from '../../consume/consumer.js';
import type { InboxPort } from '../../consume/run/inbox.port.js';
import type { BreakerView, PauseState } from '../../consume/pause.js';
import type { BatchHandler } from '../../consume/run/layer.js';
import type { DeadLetterListener } from '../../consume/settle/settle.js';
import type { MemoryBus } from './memory-bus.js';
import { MemoryDeliverySource } from './memory-delivery-source.js';
import { handlersOf, rowOf, rowsOf } from '../nest/nest-handlers.js';

/** How a consuming app is set up on the memory bus; the same words as over RabbitMQ. */
export interface MemoryServerOptions {
  readonly app: string;
  readonly bus: MemoryBus;
  readonly breakers: BreakerView;
  readonly inbox?: InboxPort;
  readonly concurrency?: Readonly<Record<string, number>>;
  readonly drainMs: number;
  readonly logger: Logger;
  readonly onDeadLetter?: DeadLetterListener;
  readonly timing?: Partial<ConsumerTiming>;
}

const PREFETCH_FACTOR = 2;

/** Nest's transport over the memory bus: calls `@EventPattern('<queue>')` as the one over RabbitMQ does. */
export class MemoryServer extends Server implements CustomTransportStrategy {
  override readonly transportId = Symbol('parley-memory');
  override readonly propagatesEventHandlerErrors = true;
  private readonly running = new Map<string, { readonly consumer: Consumer; readonly source: MemoryDeliverySource }>();
  private stopping: Promise<void> | undefined;

  constructor(private readonly options: MemoryServerOptions) {
    super();
  }

  listen(callback: (error?: unknown) => void): void {
    try {
      const { app, bus } = this.options;
      for (const [queue, handler] of handlersOf(this.messageHandlers, rowsOf(app, bus.pipeline))) this.consume(queue, handler);
      for (const { consumer } of this.running.values()) consumer.start();
      callback();
    } catch (error) {
      callback(error);
    }
  }

  /** Drains and ends. What is not finished within `drainMs` is back in its queue. */
  close(): Promise<void> {
    this.stopping ??= this.drain();
    return this.stopping;
  }

  /** Where each queue's pause stands. */
  pauseStates(): Record<string, PauseState> {
    return Object.fromEntries([...this.running].map(([queue, { consumer }]) => [queue, consumer.pauseState]));
  }

  on(): void {
    // Nest's hook for a driver's own events; ours are logs and metrics.
  }

  unwrap<T>(): T {
    return this.options.bus as T;
  }

  private consume(queue: string, handler: BatchHandler): void {
    const { bus, logger, breakers, inbox, onDeadLetter, timing, concurrency } = this.options;
    const row = rowOf(bus.pipeline, queue, concurrency);
    const source = new MemoryDeliverySource(bus, queue, row.batch.size * row.concurrency * PREFETCH_FACTOR);
    const retryDelaysMs = timing?.retryDelaysMs ?? bus.retryDelaysMs;
    const consumer = new Consumer({
      queue,
      row,
      source,
      handler,
      publisher: bus,
      breakers,
      logger,
      inbox,
      onDeadLetter,
      timing: { ...timing, retryDelaysMs },
    });
    this.running.set(queue, { consumer, source });
  }

  private async drain(): Promise<void> {
    const all = [...this.running.values()];
    const drained = await Promise.all(all.map(({ consumer }) => consumer.stop(this.options.drainMs)));
    this.options.logger.info(sumOf(drained), 'consumers drained');
    await Promise.all(all.map(({ source }) => source.close()));
  }
}
