import { metrics } from '#lib/runtime/metrics/metrics';
import type { Delivery } from '../../consume/source/delivery.js';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import { countHeader, header, type WireMessage } from '../../wire-message.js';

/** A message in a queue, and its returns. */
interface Stored {
  readonly message: WireMessage;
  readonly returnCount: number;
}

/** One consumer of a queue with its unsettled deliveries. */
export class MemoryConsumption {
  readonly unsettled = new Map<number, Stored>();
  isOpen = false;
  private lastTag = 0;

  constructor(
    private readonly queue: MemoryQueue,
    private readonly generation: number,
    private readonly prefetch: number,
    private readonly onDelivery: (delivery: Delivery) => void,
  ) {}

  get hasRoom(): boolean {
    return this.isOpen && this.unsettled.size < this.prefetch;
  }

  deliver(stored: Stored): void {
    this.lastTag += 1;
    this.unsettled.set(this.lastTag, stored);
    const { message } = stored;
    const isRedelivered = stored.returnCount > 0;
    const returnCount = countHeader(message, header.returns) + stored.returnCount;
    this.onDelivery({ ...message, queue: this.queue.name, generation: this.generation, tag: this.lastTag, isRedelivered, returnCount });
  }

  /** Settles deliveries by tag; an unknown tag is ignored. */
  settle(tags: readonly number[]): void {
    for (const tag of tags) {
      const stored = this.unsettled.get(tag);
      if (stored === undefined) continue;
      this.unsettled.delete(tag);
      this.queue.settled(stored.message);
    }
  }
}

/** A bounded queue in memory that behaves like a broker's: prefetch, acks by tag, redelivery of unsettled messages. */
export class MemoryQueue {
  private readonly ready: Stored[] = [];
  private readonly consumptions = new Set<MemoryConsumption>();
  private readonly room: Semaphore;
  private generation = 0;
  private isDispatching = false;

  /**
   * @param size messages in the queue, unsettled ones included; as many publishers may wait for room.
   * @param onSettled told of each message that a consumer has settled.
   * @param length what `queue_length` says: more than is here, when this is the front of a longer queue.
   */
  constructor(
    readonly name: string,
    size: number,
    private readonly onSettled: (message: WireMessage) => void = () => undefined,
    private readonly length: () => number = () => this.ready.length,
  ) {
    this.room = new Semaphore(undefined, { concurrent: size, queued: size });
  }

  get readyCount(): number {
    return this.ready.length;
  }

  get unsettledCount(): number {
    return [...this.consumptions].reduce((sum, { unsettled }) => sum + unsettled.size, 0);
  }

  get consumerCount(): number {
    return [...this.consumptions].filter(({ isOpen }) => isOpen).length;
  }

  /** The ready messages, oldest first. */
  messages(): WireMessage[] {
    return this.ready.map(({ message }) => message);
  }

  /** Removes the ready messages for good. */
  takeAll(): WireMessage[] {
    const taken = this.ready.splice(0);
    for (const _ of taken) this.removed();
    return taken.map(({ message }) => message);
  }

  /** Removes one of {@link messages} for good. */
  take(message: WireMessage): void {
    const index = this.ready.findIndex((stored) => stored.message === message);
    if (index === -1) return;
    this.ready.splice(index, 1);
    this.removed();
  }

  /** Reserves room for one message. @returns false when there was none in time. Follow it with `put` or `removed`. */
  async reserve(withinMs: number): Promise<boolean> {
    return this.room.acquire({ withinMs }).then(
      () => true,
      () => false,
    );
  }

  /** Puts a message into reserved room. */
  put(message: WireMessage, returnCount = 0): void {
    this.ready.push({ message, returnCount });
    this.dispatchSoon();
  }

  /** Puts a message in whether there is room or not: one that waited for its retry, or that lay here before. */
  putAnyway(message: WireMessage, returnCount = 0): void {
    this.room.acquireAnyway();
    this.put(message, returnCount);
  }

  /** A consumer is done with a message. */
  settled(message: WireMessage): void {
    this.onSettled(message);
    this.removed();
  }

  /** Releases the room of a settled message or of an unused reservation. */
  removed(): void {
    this.room.release();
    this.dispatchSoon();
  }

  consume(prefetch: number, onDelivery: (delivery: Delivery) => void): MemoryConsumption {
    this.generation += 1;
    const consumption = new MemoryConsumption(this, this.generation, prefetch, onDelivery);
    this.consumptions.add(consumption);
    return consumption;
  }

  setOpen(consumption: MemoryConsumption, isOpen: boolean): void {
    consumption.isOpen = isOpen;
    if (isOpen) this.dispatchSoon();
  }

  /** Ends a consumption. Its unsettled messages go back to the front in their old order, each with one more return. */
  end(consumption: MemoryConsumption): void {
    if (!this.consumptions.delete(consumption)) return;
    consumption.isOpen = false;
    const returned = [...consumption.unsettled.values()].map(({ message, returnCount }) => ({ message, returnCount: returnCount + 1 }));
    this.ready.unshift(...returned);
    this.dispatchSoon();
  }

  /** Dispatches in a later turn: a publisher must not run handlers. */
  private dispatchSoon(): void {
    this.report();
    if (this.isDispatching) return;
    this.isDispatching = true;
    setImmediate(() => {
      this.isDispatching = false;
      this.dispatch();
    });
  }

  private dispatch(): void {
    while (this.ready.length > 0) {
      const takers = [...this.consumptions].filter(({ hasRoom }) => hasRoom);
      const idlest = takers.sort((one, other) => one.unsettled.size - other.unsettled.size)[0];
      if (idlest === undefined) break;
      const next = this.ready.shift();
      if (next !== undefined) idlest.deliver(next);
    }
    this.report();
  }

  private report(): void {
    metrics.queueLength.set({ queue: this.name }, this.length());
    const { inUse, size } = this.room.state;
    if (Number.isFinite(size)) metrics.eventBusBufferUsed.set({ topic: this.name }, inUse / size);
  }
}
