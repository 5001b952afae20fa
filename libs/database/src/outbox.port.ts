import type { EventHeaders } from '#lib/bus/publisher.port';
import type { ParleyEvent } from '#lib/contracts/events';

/** An event that a commit promised and that RabbitMQ may not have yet. */
export interface OutboxEntry {
  readonly event: ParleyEvent;
  readonly headers: EventHeaders;
  /** Failed publishes so far. */
  readonly attempts: number;
}

/** What waits in the outbox. */
export interface OutboxDepth {
  readonly pending: number;
  readonly parked: number;
  /** Age of the oldest pending entry in seconds; 0 when there is none. */
  readonly oldestAgeSeconds: number;
}

/** Rows that are written in the same commit as what they announce, and deleted when the broker has confirmed them. */
export abstract class OutboxPort {
  /** Takes up to `limit` pending entries older than `olderThanMs` for `leaseMs`: nobody else gets them in that time (SKIP LOCKED). Oldest first. */
  abstract lease(options: { limit: number; olderThanMs: number; leaseMs: number }): Promise<OutboxEntry[]>;
  /** Forgets entries that the broker has confirmed. Unknown ids are ignored. */
  abstract remove(eventIds: readonly string[]): Promise<void>;
  /** Counts a failed publish and makes the entry due again after `delayMs`. */
  abstract retryLater(eventIds: readonly string[], delayMs: number, reason: string): Promise<void>;
  /** Sets an entry aside that cannot be published (unroutable, too large) so that it does not hold up others. */
  abstract park(eventId: string, reason: string): Promise<void>;
  abstract depth(): Promise<OutboxDepth>;
}
