import type { QueueStatus } from '#lib/contracts/http';

/**
 * A queue bound to events that no row of the pipeline describes: of a removed or renamed consumer, or made by hand. Nothing consumes it;
 * when it is full, the broker refuses every event that it hears.
 */
export interface UnknownQueue {
  readonly name: string;
  /** Bound routing keys; empty when only its existence is known. */
  readonly routingKeys: readonly string[];
  readonly ready: number | null;
  readonly consumers: number | null;
}

/** Message and consumer counts of the queues, for operators. An unknown count is `null`, never 0. */
export abstract class QueueStatusPort {
  /** One line for each work queue of the pipeline, in its order. Never rejects; settles within 2 s even when the broker hangs. */
  abstract read(): Promise<QueueStatus[]>;

  /** Queues bound to events that the pipeline does not have; null = not known. Never rejects; settles within 2 s. */
  async unknownQueues(): Promise<UnknownQueue[] | null> {
    return null;
  }
}

/** Counts of one queue as its transport knows them. */
export interface QueueCounts {
  readonly ready: number | null;
  readonly unacked: number | null;
  readonly consumers: number | null;
}

/** The line of a queue with everything that its broker knows; pauses and ages are known to its consumers only. */
export const statusOf = (name: string, counts: QueueCounts | undefined, deadLetters: number | null): QueueStatus => ({
  name,
  ready: counts?.ready ?? null,
  unacked: counts?.unacked ?? null,
  consumers: counts?.consumers ?? null,
  paused: null,
  oldestAgeSeconds: null,
  deadLetters,
});
