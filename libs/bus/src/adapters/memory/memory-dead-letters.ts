import { ProblemError } from '#lib/contracts/problems';
import { DeadLettersPort, LockedDeadLetters } from '../../dead-letters/dead-letters.port.js';
import type { PublishOutcome } from '../../publish/publisher.port.js';
import { deadLetterQueue } from '../../topology.js';
import type { WireMessage } from '../../wire-message.js';
import type { MemoryBus } from './memory-bus.js';
import type { MemoryQueue } from './memory-queue.js';

/** The dead letters of the memory bus. */
export class MemoryDeadLetters extends DeadLettersPort {
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly bus: MemoryBus) {
    super();
  }

  async lock<T>(queue: string, work: (letters: LockedDeadLetters) => Promise<T>): Promise<T> {
    if (!Object.hasOwn(this.bus.pipeline, queue)) throw new ProblemError('not-found', 'There is no such queue.');
    const mine = this.last.then(() => work(new LockedMemoryQueue(this.bus, queue)));
    this.last = mine.catch(() => undefined);
    return mine;
  }
}

class LockedMemoryQueue extends LockedDeadLetters {
  private readonly unread: WireMessage[];
  private readonly letters: MemoryQueue;
  readonly count: number;

  constructor(
    private readonly bus: MemoryBus,
    private readonly queue: string,
  ) {
    super();
    this.letters = bus.queue(deadLetterQueue(queue));
    this.unread = this.letters.messages();
    this.count = this.unread.length;
  }

  async next(): Promise<WireMessage | undefined> {
    return this.unread.shift();
  }

  remove(letter: WireMessage): void {
    this.letters.take(letter);
  }

  protected publish(copy: WireMessage): Promise<PublishOutcome> {
    return this.bus.copyTo(this.queue, copy);
  }
}
