import type { QueueStatus } from '#lib/contracts/http';

/**
 * A queue that hears events and that no row of the pipeline describes: of a consumer that was removed or renamed, or made by hand. Nothing
 * empties it, and when it is full the broker refuses every event that it hears.
 */
export interface UnknownQueue {
  readonly name: string;
  /** What it hears; empty when only its existence is known. */
  readonly routingKeys: readonly string[];
  readonly ready: number | null;
  readonly consumers: number | null;
}

/** Tells operators what waits where. What is not known is `null`, never 0. */
export abstract class QueueStatusPort {
  /** One line for each work queue of the pipeline, in its order. Never rejects; settles within 2 s even when the broker hangs. */
  abstract read(): Promise<QueueStatus[]>;

  /** Queues that hear events although the pipeline does not have them; null = not known. Never rejects; settles within 2 s. */
  async unknownQueues(): Promise<UnknownQueue[] | null> {
    return null;
  }
}
