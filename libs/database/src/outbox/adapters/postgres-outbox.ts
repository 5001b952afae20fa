import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import type { ParleyEvent } from '#lib/contracts/events';
import { type OutboxDepth, type OutboxEntry, OutboxPort, type ParkedEntry, type ParkedSelection } from '../outbox.port.js';
import type { PostgresLane } from '../../adapters/lanes/postgres-lane.js';

/** Blocks of the table that are looked at to know how many rows wait: 8 MB, some ten thousand rows, about 20 ms. */
const SAMPLE_BLOCKS = 1_000;
/** Parked rows are counted no further: then "100,000" means "or more". */
const PARKED_LIMIT = 100_000;

const LEASE = `
  WITH due AS MATERIALIZED (
    SELECT event_id FROM outbox
    WHERE parked_at IS NULL AND due_at <= now() AND created_at <= now() - $2 * interval '1 millisecond'
    ORDER BY due_at LIMIT $1
    FOR UPDATE SKIP LOCKED
  ),
  leased AS (
    UPDATE outbox SET due_at = now() + $3 * interval '1 millisecond'
    FROM due WHERE outbox.event_id = due.event_id
    RETURNING outbox.event_id, outbox.envelope, outbox.headers, outbox.attempts, outbox.created_at
  )
  SELECT envelope, headers, attempts FROM leased ORDER BY created_at, event_id`;

const RETRY_LATER = `
  UPDATE outbox SET attempts = attempts + 1, due_at = now() + $2 * interval '1 millisecond', last_failure = $3
  WHERE event_id = ANY ($1::uuid[])`;

const PARK = `
  UPDATE outbox SET parked_at = now(), park_reason = $2, last_failure = $2, attempts = attempts + 1
  WHERE event_id = $1 AND parked_at IS NULL`;

const PARKED = `
  SELECT event_id AS "eventId", routing_key AS type, envelope->>'conversationId' AS "conversationId", attempts,
         created_at AS "createdAt", parked_at AS "parkedAt", coalesce(park_reason, '') AS reason
    FROM outbox WHERE parked_at IS NOT NULL ORDER BY parked_at LIMIT $1`;

const UNPARK = `
  UPDATE outbox SET parked_at = NULL, park_reason = NULL, attempts = 0, due_at = now()
   WHERE event_id IN (
     SELECT event_id FROM outbox
      WHERE parked_at IS NOT NULL AND ($1::uuid[] IS NULL OR event_id = ANY ($1)) AND starts_with(coalesce(park_reason, ''), $2)
      ORDER BY parked_at LIMIT $3 FOR UPDATE SKIP LOCKED)
  RETURNING 1`;

const BLOCKS = `SELECT (pg_relation_size('outbox') / current_setting('block_size')::int)::int AS blocks`;

// A sample of whole blocks: dead and empty ones weigh nothing, so it is right while a backlog drains too, when statistics are minutes old.
// Event ids are UUIDv7: their order is the order of creation, near enough for an age in seconds, and it is indexed.
const DEPTH = `
  WITH sample AS (SELECT count(*) FILTER (WHERE parked_at IS NULL) AS waiting FROM outbox TABLESAMPLE SYSTEM ($1::real)),
       oldest AS (SELECT created_at FROM outbox WHERE parked_at IS NULL ORDER BY event_id LIMIT 1)
  SELECT
    CASE WHEN EXISTS (SELECT FROM oldest) THEN greatest(1, round((SELECT waiting FROM sample) * 100 / $1::real)) ELSE 0 END::float8 AS pending,
    (SELECT count(*) FROM (SELECT FROM outbox WHERE parked_at IS NOT NULL LIMIT ${PARKED_LIMIT}) AS parked)::int AS parked,
    coalesce((SELECT greatest(0, extract(epoch FROM now() - created_at)) FROM oldest), 0)::float8 AS "oldestAgeSeconds",
    $1::real < 100 AS "isEstimate"`;

const LATEST = `
  SELECT pending::float8, parked::int, oldest_age_seconds AS "oldestAgeSeconds", is_estimate AS "isEstimate"
    FROM outbox_depth WHERE measured_at > now() - $1 * interval '1 millisecond'`;

// The first update that finds the claim old has it; later ones find it new.
const CLAIM = `
  UPDATE outbox_depth SET claimed_at = now() WHERE claimed_at <= now() - $1 * interval '1 millisecond' RETURNING 1`;

const KEEP = `
  UPDATE outbox_depth SET measured_at = now(), pending = $1, parked = $2, oldest_age_seconds = $3, is_estimate = $4`;

/**
 * The outbox table. Use the `relay` lane. A lease is a date in the row, set in one short statement: no transaction and no lock is open
 * while events are being published, and what a process held when it died is due again when its lease runs out.
 */
export class PostgresOutbox extends OutboxPort {
  constructor(private readonly relay: PostgresLane) {
    super();
  }

  async lease({ limit, olderThanMs, leaseMs }: { limit: number; olderThanMs: number; leaseMs: number }): Promise<OutboxEntry[]> {
    const rows = await this.relay.query<{ envelope: ParleyEvent; headers: EventHeaders; attempts: number }>(
      { name: 'outbox-lease', text: LEASE },
      [limit, olderThanMs, leaseMs],
    );
    return rows.map(({ envelope, headers, attempts }) => ({ event: envelope, headers, attempts }));
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

  parked(limit: number): Promise<ParkedEntry[]> {
    return this.relay.query<ParkedEntry>(PARKED, [limit]);
  }

  async unpark(selection: ParkedSelection, limit: number): Promise<number> {
    const [ids, reason] = 'eventIds' in selection ? [selection.eventIds, ''] : [null, selection.reason];
    return (await this.relay.query(UNPARK, [ids, reason, limit])).length;
  }

  async depth(): Promise<OutboxDepth> {
    const [size] = await this.relay.query<{ blocks: number }>({ name: 'outbox-blocks', text: BLOCKS });
    const percent = Math.min(100, (100 * SAMPLE_BLOCKS) / Math.max(1, size?.blocks ?? 0));
    const [depth] = await this.relay.query<OutboxDepth>({ name: 'outbox-depth', text: DEPTH }, [percent]);
    return depth ?? { pending: 0, parked: 0, oldestAgeSeconds: 0, isEstimate: false };
  }

  async latestDepth(maxAgeMs: number): Promise<OutboxDepth | undefined> {
    const [latest] = await this.relay.query<OutboxDepth>({ name: 'outbox-latest-depth', text: LATEST }, [maxAgeMs]);
    if (latest !== undefined) return latest;
    const [claim] = await this.relay.query({ name: 'outbox-claim-depth', text: CLAIM }, [maxAgeMs]);
    if (claim === undefined) return undefined;
    const depth = await this.depth();
    const { pending, parked, oldestAgeSeconds, isEstimate } = depth;
    await this.relay.query({ name: 'outbox-keep-depth', text: KEEP }, [Math.round(pending), parked, oldestAgeSeconds, isEstimate]);
    return depth;
  }
}
