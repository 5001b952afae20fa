import type { EventHeaders } from '#lib/bus/publish/publisher.port';
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
  /** 0 only when there is none. */
  readonly pending: number;
  readonly parked: number;
  /** Age of the oldest pending entry in seconds; 0 when there is none. */
  readonly oldestAgeSeconds: number;
  /** Whether `pending` was estimated from a sample: counting a million rows takes longer than a statement may. */
  readonly isEstimate: boolean;
}

/** An entry that was set aside. */
export interface ParkedEntry {
  readonly eventId: string;
  readonly type: string;
  readonly conversationId: string | null;
  readonly attempts: number;
  readonly createdAt: Date;
  readonly parkedAt: Date;
  /** `returned: ...` no queue took it; `invalid: ...` its schema refused it. */
  readonly reason: string;
}

/** Which parked entries are meant: those with these ids, or all whose reason begins like this. */
export type ParkedSelection = { readonly eventIds: readonly string[] } | { readonly reason: '' | 'returned:' | 'invalid:' };

/** Rows that are written in the same commit as what they announce, and deleted when the broker has confirmed them. */
export abstract class OutboxPort {
  /** Takes up to `limit` pending entries older than `olderThanMs` for `leaseMs`: no other call gets them in that time (SKIP LOCKED). Oldest first. */
  abstract lease(options: { limit: number; olderThanMs: number; leaseMs: number }): Promise<OutboxEntry[]>;
  /** Forgets entries that the broker has confirmed. Unknown ids are ignored. */
  abstract remove(eventIds: readonly string[]): Promise<void>;
  /** Counts a failed publish and makes the entry due again after `delayMs`. */
  abstract retryLater(eventIds: readonly string[], delayMs: number, reason: string): Promise<void>;
  /** Sets an entry aside that cannot be published (unroutable, too large) so that it does not hold up others. */
  abstract park(eventId: string, reason: string): Promise<void>;
  /** Parked entries, the oldest first. */
  abstract parked(limit: number): Promise<ParkedEntry[]>;
  /** Makes up to `limit` parked entries due again, with all their tries. @returns how many. */
  abstract unpark(selection: ParkedSelection, limit: number): Promise<number>;
  /** Measures what waits; costs about the same however much that is. */
  abstract depth(): Promise<OutboxDepth>;
  /** As one of all processes measured it within `maxAgeMs`, or measured now when none did; undefined while another one is at it. */
  abstract latestDepth(maxAgeMs: number): Promise<OutboxDepth | undefined>;
}
