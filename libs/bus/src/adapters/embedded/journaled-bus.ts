import type { ParleyEvent } from '#lib/contracts/events';
import { pipeline } from '#lib/contracts/pipeline';
import { currentContext } from '#lib/runtime/log/context';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { withTimeLimit, within } from '#lib/runtime/work/within';
import type { EntryPlace, JournalEntry, JournalPort } from '../../journal/journal.port.js';
import { JournalWriter } from '../../journal/journal-writer.js';
import type { EventHeaders, PublishOutcome } from '../../publish/publisher.port.js';
import { deadLetterQueue, type PipelineRows, RETRY_TIERS, retryDelayMs, retryQueue } from '../../topology.js';
import { errorMessage, ownWireMessage, toWireMessage, type WireMessage } from '../../wire-message.js';
import { InProcessBus } from '../memory/in-process-bus.js';
import type { MemoryQueue } from '../memory/memory-queue.js';
import { DeadLetterCount } from './dead-letter-count.js';
import { DelayedQueue } from './delayed-queue.js';
import { JournaledQueue } from './journaled-queue.js';

/** How a journaled bus is set up. */
export interface JournaledBusOptions {
  readonly journal: JournalPort;
  readonly logger: Logger;
  /** Longest wait for the journal before a publish counts as unanswered (BUS_PUBLISH_TIMEOUT_MS). */
  readonly publishTimeoutMs: number;
  readonly pipeline?: PipelineRows;
  readonly retryDelaysMs?: readonly number[];
}

/** What a queue has that can be counted and written into. */
type AnyQueue =
  | { readonly kind: 'work'; readonly queue: JournaledQueue }
  | { readonly kind: 'retry'; readonly queue: DelayedQueue; readonly limit: number }
  | { readonly kind: 'dead'; readonly queue: DeadLetterCount };

/** Batches of a consumer in hand or on their way to it, as EventServer prefetches them. */
const PREFETCH_FACTOR = 2;

/**
 * The bus of the embedded mode: the queues, retries and dead letters of RabbitMQ inside one process, durable through a journal (ADR 40).
 *
 *     publish --written--> confirmed        a killed process: what was confirmed is in the journal
 *                `--> front of the queue, as much as fits --> consumer --settled--> removed from the journal, soon
 *                                                                       a killed process: delivered again, with one more return
 */
export class JournaledBus extends InProcessBus {
  readonly pipeline: PipelineRows;
  readonly retryDelaysMs: readonly number[] | undefined;
  private readonly journal: JournalPort;
  private readonly writer: JournalWriter;
  private readonly queues = new Map<string, AnyQueue>();
  private readonly declared = new Set<() => void>();
  private lastId = 0;
  private isOpen = false;

  constructor(private readonly options: JournaledBusOptions) {
    super();
    const { journal, logger, retryDelaysMs } = options;
    this.pipeline = options.pipeline ?? pipeline;
    this.retryDelaysMs = retryDelaysMs;
    this.journal = journal;
    this.writer = new JournalWriter(journal, logger);
    for (const [name, { maxLength }] of Object.entries(this.pipeline)) {
      const queue = new JournaledQueue(name, maxLength, journal, (place) => this.writer.remove([place]));
      this.queues.set(name, { kind: 'work', queue });
      const letters = new DeadLetterCount(deadLetterQueue(name), journal);
      this.queues.set(letters.name, { kind: 'dead', queue: letters });
      const tiers = retryDelaysMs?.length ?? RETRY_TIERS;
      for (let tier = 1; tier <= tiers; tier += 1) {
        const delayed = new DelayedQueue(retryQueue(name, tier), retryDelayMs(name, tier, retryDelaysMs), journal, (due) =>
          this.moveTo(queue, due),
        );
        this.queues.set(delayed.name, { kind: 'retry', queue: delayed, limit: maxLength });
      }
    }
  }

  /** Takes over what an earlier process has left. Until then nothing is published. @throws DependencyError when the journal does not answer. */
  async open(): Promise<void> {
    const inHand = Object.entries(this.pipeline).map(([name, { batch, concurrency }]) => {
      return [name, batch.size * concurrency * PREFETCH_FACTOR] as const;
    });
    const { lastId, counts } = await this.journal.open(new Map(inHand));
    this.lastId = lastId;
    this.isOpen = true;
    for (const [name, { queue }] of this.queues) queue.restore(counts.get(name) ?? 0, lastId);
    for (const tell of this.declared) tell();
  }

  get isHealthy(): boolean {
    return this.isOpen && this.writer.isHealthy;
  }

  override get bufferUsed(): number {
    return this.writer.used;
  }

  override onDeclared(listener: () => void): () => void {
    this.declared.add(listener);
    return () => this.declared.delete(listener);
  }

  async publish(event: ParleyEvent, headers?: EventHeaders): Promise<PublishOutcome> {
    return this.publishMessage(toWireMessage(event, withIds(headers)));
  }

  override publishOwn(event: ParleyEvent, headers: EventHeaders): Promise<PublishOutcome> {
    return this.publishMessage(ownWireMessage(event, headers));
  }

  async copyTo(name: string, message: WireMessage): Promise<PublishOutcome> {
    if (!this.queues.has(name)) return { kind: 'returned', reason: `NO_ROUTE for ${name}` };
    return this.writeInto([name], message);
  }

  queue(name: string): MemoryQueue {
    return this.work(name).front;
  }

  /** Messages of a queue that no consumer has; of a retry queue or dead-letter queue all. */
  readyIn(name: string): number {
    const known = this.queues.get(name);
    if (known === undefined) return 0;
    return known.kind === 'work' ? known.queue.readyCount : known.queue.count;
  }

  /** Looks for dead letters of a work queue whose write got no answer. @throws DependencyError when the journal does not answer. */
  async countDeadLetters(queue: string): Promise<void> {
    const known = this.queues.get(deadLetterQueue(queue));
    if (known?.kind === 'dead') await known.queue.look();
  }

  /** Dead letters of a work queue with ids above `after`. @throws DependencyError when the journal does not answer. */
  async deadLettersOf(queue: string, after: number, limit: number): Promise<JournalEntry[]> {
    return this.journal.read(deadLetterQueue(queue), after, limit);
  }

  /** Removes a dead letter for good, soon. */
  removeDeadLetter(place: EntryPlace): void {
    const known = this.queues.get(place.queue);
    if (known?.kind === 'dead') known.queue.removed(place.id);
    this.writer.remove([place]);
  }

  /** Writes what was acknowledged or removed until now. @returns whether all of it was written in time. */
  async flush(withinMs: number): Promise<boolean> {
    return within(withinMs, this.writer.flush()).catch(() => false);
  }

  /** Publishes nothing more, and writes what was acknowledged; what it cannot write in time is delivered again. Consumers have ended before. */
  async stop(withinMs = 5_000): Promise<void> {
    const wasOpen = this.isOpen;
    this.isOpen = false;
    for (const { queue } of this.queues.values()) queue.stop();
    if (wasOpen && (await this.flush(withinMs))) await within(withinMs, this.journal.close()).catch(() => false);
  }

  private async publishMessage(message: WireMessage): Promise<PublishOutcome> {
    const startedAt = performance.now();
    const names = Object.entries(this.pipeline).flatMap(([name, { hears }]) =>
      hears.some((heard) => heard === message.type) ? [name] : [],
    );
    const outcome = await this.writeInto(names, message);
    metrics.amqpPublishDuration.observe({ routing_key: message.type, outcome: outcome.kind }, (performance.now() - startedAt) / 1_000);
    return outcome;
  }

  /** Into all queues or none: what is partly there would be published again and lie twice in the first. */
  private async writeInto(names: readonly string[], message: WireMessage): Promise<PublishOutcome> {
    if (!this.isOpen) return { kind: 'nacked', reason: 'not open' };
    if (names.length === 0) return { kind: 'confirmed' };
    const reserved: string[] = [];
    for (const name of names) {
      if (this.reserve(name)) {
        reserved.push(name);
        continue;
      }
      for (const other of reserved) this.unreserve(other);
      return { kind: 'nacked', reason: `${name} is full` };
    }
    // A message of its own for each queue: by it a queue knows the entry.
    const entries = names.map((name) => this.entryOf(name, { ...message }));
    const unanswered: PublishOutcome = { kind: 'ambiguous', reason: 'the journal has not answered in time' };
    return withTimeLimit(this.options.publishTimeoutMs, this.write(entries), () => unanswered);
  }

  private async write(entries: readonly JournalEntry[]): Promise<PublishOutcome> {
    try {
      await this.writer.add(entries);
      for (const entry of entries) this.written(entry);
      return { kind: 'confirmed' };
    } catch (error) {
      const isRefused = error instanceof RangeError;
      for (const { queue, id } of entries) this.unreserve(queue, isRefused ? undefined : id);
      return { kind: isRefused ? 'nacked' : 'ambiguous', reason: errorMessage(error) };
    }
  }

  private entryOf(queue: string, message: WireMessage, returns = 0): JournalEntry {
    this.lastId += 1;
    const known = this.queues.get(queue);
    const dueAt = known?.kind === 'retry' ? new Date(Date.now() + known.queue.delayMs) : undefined;
    return { id: this.lastId, queue, message, returns, dueAt };
  }

  private reserve(name: string): boolean {
    const known = this.queues.get(name);
    if (known?.kind === 'work') return known.queue.reserve();
    return known?.kind === 'retry' ? known.queue.count < known.limit : true;
  }

  private unreserve(name: string, id?: number): void {
    const known = this.queues.get(name);
    if (known?.kind === 'work') known.queue.unreserve(id);
    // It may be there all the same: the queue looks, and finds it or nothing.
    else if (known?.kind === 'retry' && id !== undefined) known.queue.put();
    else if (known?.kind === 'dead' && id !== undefined) known.queue.mayBeThere(id);
  }

  private written(entry: JournalEntry): void {
    const known = this.queues.get(entry.queue);
    if (known?.kind === 'work') known.queue.put(entry);
    else known?.queue.put();
  }

  /** Moves what has waited long enough, whether there is room or not: it lay in the queue before. */
  private async moveTo(queue: JournaledQueue, due: readonly JournalEntry[]): Promise<void> {
    const entries = due.map(({ message, returns }) => {
      queue.reserveAnyway();
      return this.entryOf(queue.name, message, returns);
    });
    try {
      await this.writer.add(entries, due);
    } catch (error) {
      for (const { id } of entries) queue.unreserve(id);
      throw error;
    }
    for (const entry of entries) queue.put(entry);
  }

  private work(name: string): JournaledQueue {
    const known = this.queues.get(name);
    if (known?.kind !== 'work') throw new RangeError(`there is no queue ${name}`);
    return known.queue;
  }
}

const withIds = (headers?: EventHeaders): EventHeaders => {
  const { requestId, traceparent } = headers ?? currentContext();
  return { requestId, traceparent };
};
