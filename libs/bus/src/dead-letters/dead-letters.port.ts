import type { PublishOutcome } from '../publish/publisher.port.js';
import type { WireMessage } from '../wire-message.js';

/** The dead letters of one queue under its lock: read from the oldest on, each removed or left in place. */
export abstract class LockedDeadLetters {
  /** Dead letters in the queue when the lock was taken. */
  abstract readonly count: number;
  /** The next dead letter; undefined after the last. Later arrivals are not among them. */
  abstract next(): Promise<WireMessage | undefined>;
  /** Removes `letter`, which `next` returned, for good. */
  abstract remove(letter: WireMessage): void;
  /** Publishes `copy` into the work queue. Never rejects for what the broker answers. */
  protected abstract publish(copy: WireMessage): Promise<PublishOutcome>;

  /**
   * Publishes `copy` into the work queue and removes `letter` once that is confirmed, in this order: a crash in between leaves a duplicate,
   * never a loss. Any other outcome leaves the letter in place. Never rejects for what the broker answers.
   */
  async sendBack(letter: WireMessage, copy: WireMessage): Promise<PublishOutcome> {
    const outcome = await this.publish(copy);
    if (outcome.kind === 'confirmed') this.remove(letter);
    return outcome;
  }
}

/** The dead-letter queues: messages that are not retried by themselves any more. */
export abstract class DeadLettersPort {
  /**
   * Locks the dead letters of a work queue while `work` runs: one caller at a time over all processes, others wait up to 5 s.
   * Letters that `work` leaves keep their place and order; after a crash they may lose their order.
   * @throws ProblemError `not-found` for an unknown queue; DependencyError when the broker fails or the lock is not free in time.
   */
  abstract lock<T>(queue: string, work: (letters: LockedDeadLetters) => Promise<T>): Promise<T>;
}
