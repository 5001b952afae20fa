import type { ParleyEvent } from '#lib/contracts/events';
import { pipeline } from '#lib/contracts/pipeline';
import { currentContext } from '#lib/runtime/log/context';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { EventHeaders, PublishOutcome } from '../../publish/publisher.port.js';
import { deadLetterQueue, type PipelineRows, RETRY_TIERS, retryDelayMs, retryQueue } from '../../topology.js';
import { toWireMessage, type WireMessage } from '../../wire-message.js';
import { InProcessBus } from './in-process-bus.js';
import { MemoryQueue } from './memory-queue.js';

/** How a memory bus is set up. */
export interface MemoryBusOptions {
  /** Events in one queue before publishing blocks (BUS_BUFFER_SIZE). */
  readonly bufferSize: number;
  /** Longest block before a publish is refused (BUS_PUBLISH_TIMEOUT_MS). */
  readonly publishTimeoutMs: number;
  readonly pipeline?: PipelineRows;
  readonly retryDelaysMs?: readonly number[];
}

/**
 * The bus inside one process: the queues, retries and dead letters of RabbitMQ without durability. Its events are lost when the process
 * ends, unless an outbox still has them.
 */
export class MemoryBus extends InProcessBus {
  /** The rows of this bus. */
  readonly pipeline: PipelineRows;
  /** Work queues and dead-letter queues by name. */
  private readonly queues = new Map<string, MemoryQueue>();
  /** The work queue and delay behind each retry queue, by the name of the retry queue. */
  private readonly retryQueues = new Map<string, { readonly queue: MemoryQueue; readonly delayMs: number }>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private isStopping = false;

  constructor(private readonly options: MemoryBusOptions) {
    super();
    this.pipeline = options.pipeline ?? pipeline;
    for (const name of Object.keys(this.pipeline)) {
      const queue = new MemoryQueue(name, options.bufferSize);
      this.queues.set(name, queue);
      this.queues.set(deadLetterQueue(name), new MemoryQueue(deadLetterQueue(name), Number.POSITIVE_INFINITY));
      const tiers = options.retryDelaysMs?.length ?? RETRY_TIERS;
      for (let tier = 1; tier <= tiers; tier += 1) {
        this.retryQueues.set(retryQueue(name, tier), { queue, delayMs: retryDelayMs(name, tier, options.retryDelaysMs) });
      }
    }
  }

  get retryDelaysMs(): readonly number[] | undefined {
    return this.options.retryDelaysMs;
  }

  get isHealthy(): boolean {
    return !this.isStopping;
  }

  async publish(event: ParleyEvent, headers?: EventHeaders): Promise<PublishOutcome> {
    const { requestId, traceparent } = headers ?? currentContext();
    const message = toWireMessage(event, { requestId, traceparent });
    const startedAt = performance.now();
    const outcome = await this.putIntoAll(this.queuesOf(event.type), message);
    metrics.amqpPublishDuration.observe({ routing_key: event.type, outcome: outcome.kind }, (performance.now() - startedAt) / 1_000);
    return outcome;
  }

  /** Puts a message into a queue by name: a work queue, a retry queue, or a dead-letter queue. */
  async copyTo(name: string, message: WireMessage): Promise<PublishOutcome> {
    const retry = this.retryQueues.get(name);
    if (retry !== undefined) {
      this.putAfter(retry.delayMs, retry.queue, message);
      return { kind: 'confirmed' };
    }
    const queue = this.queues.get(name);
    if (queue === undefined) return { kind: 'returned', reason: `NO_ROUTE for ${name}` };
    return this.putIntoAll([queue], message);
  }

  /** A queue or dead-letter queue by name. @throws RangeError for one that the pipeline does not have. */
  queue(name: string): MemoryQueue {
    const queue = this.queues.get(name);
    if (queue === undefined) throw new RangeError(`there is no queue ${name}`);
    return queue;
  }

  stop(): void {
    this.isStopping = true;
    for (const timer of this.timers) clearTimeout(timer);
  }

  private queuesOf(type: string): MemoryQueue[] {
    return Object.entries(this.pipeline).flatMap(([name, { hears }]) => (hears.some((heard) => heard === type) ? [this.queue(name)] : []));
  }

  /** All queues or none: a partly stored event would be published again and lie twice in the first queue. */
  private async putIntoAll(queues: readonly MemoryQueue[], message: WireMessage): Promise<PublishOutcome> {
    if (this.isStopping) return { kind: 'nacked', reason: 'stopping' };
    const endsAt = performance.now() + this.options.publishTimeoutMs;
    const reserved: MemoryQueue[] = [];
    for (const queue of queues) {
      if (await queue.reserve(endsAt - performance.now())) {
        reserved.push(queue);
        continue;
      }
      for (const other of reserved) other.removed();
      return { kind: 'nacked', reason: `${queue.name} is full` };
    }
    for (const queue of reserved) queue.put(message);
    return { kind: 'confirmed' };
  }

  private putAfter(delayMs: number, queue: MemoryQueue, message: WireMessage): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      queue.putAnyway(message);
    }, delayMs);
    this.timers.add(timer);
  }
}
