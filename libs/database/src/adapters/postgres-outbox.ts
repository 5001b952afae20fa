import type { EventHeaders } from '#lib/bus/publisher.port';
import type { ParleyEvent } from '#lib/contracts/events';
import { type OutboxDepth, type OutboxEntry, OutboxPort } from '../outbox.port.js';
import type { PostgresLane } from './postgres-lane.js';

/** Counting stops here, so that looking at a huge backlog does not become a load of its own; "1,000,000" then means "or more". */
const COUNT_LIMIT = 1_000_000;

const LEASE = `
  WITH due AS MATERIALIZED (
    SELECT event_id FROM outbox
    WHERE parked_at IS NULL AND due_at <= now() AND created_at <= now() - $2 * interval '1 millisecond'
    ORDER BY due_at LIMIT $1
    FOR UPDATE SKIP LOCKED
  )
  UPDATE outbox SET due_at = now() + $3 * interval '1 millisecond'
  FROM due WHERE outbox.event_id = due.event_id
  RETURNING outbox.envelope, outbox.headers, outbox.attempts, outbox.created_at AS "createdAt"`;

const RETRY_LATER = `
  UPDATE outbox SET attempts = attempts + 1, due_at = now() + $2 * interval '1 millisecond', last_failure = $3
  WHERE event_id = ANY ($1::uuid[])`;

const PARK = `
  UPDATE outbox SET parked_at = now(), park_reason = $2, last_failure = $2, attempts = attempts + 1
  WHERE event_id = $1 AND parked_at IS NULL`;

// Event ids are UUIDv7: their order is the order of creation, near enough for an age in seconds, and it is indexed.
const DEPTH = `
  SELECT
    (SELECT count(*) FROM (SELECT FROM outbox WHERE parked_at IS NULL LIMIT ${COUNT_LIMIT}) AS pending)::int AS pending,
    (SELECT count(*) FROM (SELECT FROM outbox WHERE parked_at IS NOT NULL LIMIT ${COUNT_LIMIT}) AS parked)::int AS parked,
    coalesce(
      (SELECT greatest(0, extract(epoch FROM now() - created_at)) FROM outbox WHERE parked_at IS NULL ORDER BY event_id LIMIT 1), 0
    )::float8 AS "oldestAgeSeconds"`;

/**
 * The outbox table. Use the `relay` lane. A lease is a date in the row, set in one short statement: no transaction and no lock is open
 * while events are being published, and what a process held when it died is due again when its lease runs out.
 * A parked row comes back with `UPDATE outbox SET parked_at = NULL, attempts = 0, due_at = now() WHERE event_id = ...`.
 */
export class PostgresOutbox extends OutboxPort {
  constructor(private readonly relay: PostgresLane) {
    super();
  }

  async lease({ limit, olderThanMs, leaseMs }: { limit: number; olderThanMs: number; leaseMs: number }): Promise<OutboxEntry[]> {
    const rows = await this.relay.query<{ envelope: ParleyEvent; headers: EventHeaders; attempts: number; createdAt: Date }>(
      { name: 'outbox-lease', text: LEASE },
      [limit, olderThanMs, leaseMs],
    );
    return rows
      .sort((one, other) => one.createdAt.getTime() - other.createdAt.getTime() || (one.envelope.eventId < other.envelope.eventId ? -1 : 1))
      .map(({ envelope, headers, attempts }) => ({ event: envelope, headers, attempts }));
  }

  async remove(eventIds: readonly string[]): Promise<void> {
    if (eventIds.length === 0) return;
    await this.relay.query({ name: 'outbox-remove', text: 'DELETE FROM outbox WHERE event_id = ANY ($1::uuid[])' }, [eventIds]);
  }

  async retryLater(eventIds: readonly string[], delayMs: number, reason: string): Promise<void> {
    if (eventIds.length === 0) return;
    await this.relay.query({ name: 'outbox-retry-later', text: RETRY_LATER }, [eventIds, delayMs, reason]);
  }

  async park(eventId: string, reason: string): Promise<void> {
    await this.relay.query(PARK, [eventId, reason]);
  }

  async depth(): Promise<OutboxDepth> {
    const [depth] = await this.relay.query<OutboxDepth>({ name: 'outbox-depth', text: DEPTH });
    return depth ?? { pending: 0, parked: 0, oldestAgeSeconds: 0 };
  }
}
