import type { PublishOutcome } from '../publish/publisher.port.js';
import type { WireMessage } from '../wire-message.js';

/** The dead letters of one queue while somebody has them in hand: read from the oldest on, each taken out or left in. */
export abstract class HeldDeadLetters {
  /** How many there were when they were taken in hand. */
  abstract readonly count: number;
  /** The next one; undefined when all of them have been seen. What arrives meanwhile is not among them. */
  abstract next(): Promise<WireMessage | undefined>;
  /**
   * Puts `copy` into the work queue and takes `letter` out when that is confirmed, in this order: whatever breaks in between leaves one too
   * many. `letter` is one that `next` gave. Never rejects for what the broker says: anything but `confirmed` leaves the letter in.
   */
  abstract sendBack(letter: WireMessage, copy: WireMessage): Promise<PublishOutcome>;
  /** Takes `letter` out for good. */
  abstract remove(letter: WireMessage): void;
}

/** Where messages end that nobody will try again by themselves. */
export abstract class DeadLettersPort {
  /**
   * Takes the dead letters of a work queue in hand for as long as `work` runs; one caller at a time over all processes, others wait up to 5 s.
   * Afterwards what `work` did not take out lies there as before, in the same order; after a crash too, though perhaps not in order.
   * @throws ProblemError `not-found` when there is no such queue; DependencyError when the broker cannot, or somebody else has them too long.
   */
  abstract hold<T>(queue: string, work: (letters: HeldDeadLetters) => Promise<T>): Promise<T>;
}
