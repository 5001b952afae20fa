import { type JournalChanges, type JournalEntry, JournalPort, type JournalState } from '#lib/bus/journal/journal.port';
import type { WireHeaders } from '#lib/bus/wire-message';
import type { PostgresLane } from '../../adapters/lanes/postgres-lane.js';

/** Bytes of bodies that one read returns, the last one counted in full. */
const READ_BYTES = 4_194_304;

/**
 * Not among the migrations: it belongs to the one process that fills it, and no other Parley has it. Rows live for milliseconds, so autovacuum
 * comes by their number. Headers are text: JSON there may hold a NUL that jsonb refuses.
 */
const TABLE = `
  CREATE SCHEMA IF NOT EXISTS embedded;
  CREATE TABLE IF NOT EXISTS embedded.deliveries (
    queue text NOT NULL,
    id bigint NOT NULL,
    event_id text,
    type text NOT NULL,
    published_at timestamptz,
    headers text NOT NULL,
    body bytea NOT NULL,
    returns integer NOT NULL,
    due_at timestamptz,
    PRIMARY KEY (queue, id)
  ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_insert_threshold = -1)`;

/** A row of no queue: the process before had nothing in hand when it ended. */
const CLOSE = `
  INSERT INTO embedded.deliveries (queue, id, type, headers, body, returns) VALUES ('', 0, 'closed', '{}', '', 0) ON CONFLICT DO NOTHING`;
const WAS_CLOSED = `DELETE FROM embedded.deliveries WHERE queue = '' RETURNING id`;

const COUNT_RETURNS = `
  UPDATE embedded.deliveries SET returns = returns + 1
  FROM (
    SELECT head.queue, head.id FROM unnest($1::text[], $2::int[]) AS suspects (queue, count)
    CROSS JOIN LATERAL (
      SELECT queue, id FROM embedded.deliveries WHERE queue = suspects.queue ORDER BY id LIMIT suspects.count
    ) AS head
  ) AS head
  WHERE deliveries.queue = head.queue AND deliveries.id = head.id`;

/** A process that was killed may leave a write that Postgres still commits: this waits for it. */
const WAIT_FOR_WRITES = 'LOCK TABLE embedded.deliveries IN SHARE MODE';

/** Entries counted in one statement: each has the time of a statement, however many there are. */
const COUNT_PAGE = 20_000;
const COUNT = `
  SELECT queue, count(*)::int AS count, max(id)::text AS "lastId"
  FROM (SELECT queue, id FROM embedded.deliveries WHERE (queue, id) > ($1, $2) ORDER BY queue, id LIMIT ${COUNT_PAGE}) AS page
  GROUP BY queue ORDER BY queue`;

const ADD = {
  name: 'journal-add',
  text: `
    INSERT INTO embedded.deliveries (queue, id, event_id, type, published_at, headers, body, returns, due_at)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::bytea[], $8::int[], $9::timestamptz[])`,
};

const REMOVE = {
  name: 'journal-remove',
  text: `
    DELETE FROM embedded.deliveries USING unnest($1::text[], $2::bigint[]) AS gone (queue, id)
    WHERE deliveries.queue = gone.queue AND deliveries.id = gone.id`,
};

const READ = {
  name: 'journal-read',
  text: `
    WITH next AS (
      SELECT id, octet_length(body) AS size FROM embedded.deliveries WHERE queue = $1 AND id > $2 ORDER BY id LIMIT $3
    ), sized AS (
      SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM next
    )
    SELECT id::text, event_id AS "eventId", type, published_at AS "publishedAt", headers, body, returns, due_at AS "dueAt"
    FROM embedded.deliveries WHERE queue = $1 AND id IN (SELECT id FROM sized WHERE before < ${READ_BYTES}) ORDER BY deliveries.id`,
};

interface Count {
  readonly queue: string;
  readonly count: number;
  readonly lastId: string;
}

interface Row {
  readonly id: string;
  readonly eventId: string | null;
  readonly type: string;
  readonly publishedAt: Date | null;
  readonly headers: string;
  readonly body: Buffer;
  readonly returns: number;
  readonly dueAt: Date | null;
}

/** The journal in the table `embedded.deliveries`, which it makes. */
export class PostgresJournal extends JournalPort {
  private hasCountedReturns = false;

  /** @param lane of its own: what waits for a connection of others would hold up every publish. */
  constructor(private readonly lane: PostgresLane) {
    super();
  }

  async open(inHand: ReadonlyMap<string, number>): Promise<JournalState> {
    await this.lane.query(TABLE);
    if (!this.hasCountedReturns) {
      await this.lane.transaction(async (query) => {
        await query(WAIT_FOR_WRITES);
        const isInOrder = (await query(WAS_CLOSED)).length > 0;
        if (!isInOrder) await query(COUNT_RETURNS, [[...inHand.keys()], [...inHand.values()]]);
      });
      // When what follows fails and is tried again, no other process has died.
      this.hasCountedReturns = true;
    }
    const counts = new Map<string, number>();
    let [highest, counted, after] = [0, 0, ['', '0']];
    do {
      const rows = await this.lane.query<Count>(COUNT, after);
      for (const { queue, count, lastId } of rows) {
        counts.set(queue, (counts.get(queue) ?? 0) + count);
        highest = Math.max(highest, Number(lastId));
        after = [queue, lastId];
      }
      counted = rows.reduce((sum, { count }) => sum + count, 0);
    } while (counted === COUNT_PAGE);
    return { lastId: highest, counts };
  }

  async close(): Promise<void> {
    await this.lane.query(CLOSE);
  }

  async write({ added, removed }: JournalChanges): Promise<void> {
    const [adding, removing] = [addedOf(added), [removed.map(({ queue }) => queue), removed.map(({ id }) => id)]];
    if (removed.length === 0) return void (await this.lane.query(added.length === 0 ? 'SELECT 1' : ADD, added.length === 0 ? [] : adding));
    if (added.length === 0) return void (await this.lane.query(REMOVE, removing));
    await this.lane.transaction(async (query) => {
      await query(ADD, adding);
      await query(REMOVE, removing);
    });
  }

  async read(queue: string, after: number, limit: number): Promise<JournalEntry[]> {
    const rows = await this.lane.query<Row>(READ, [queue, after, limit]);
    return rows.map(({ id, eventId, type, publishedAt, headers, body, returns, dueAt }) => ({
      id: Number(id),
      queue,
      message: {
        id: eventId ?? undefined,
        type,
        publishedAt: publishedAt ?? undefined,
        headers: JSON.parse(headers) as WireHeaders,
        body,
      },
      returns,
      dueAt: dueAt ?? undefined,
    }));
  }
}

const addedOf = (added: readonly JournalEntry[]): unknown[] => [
  added.map(({ queue }) => queue),
  added.map(({ id }) => id),
  added.map(({ message }) => message.id ?? null),
  added.map(({ message }) => message.type),
  added.map(({ message }) => message.publishedAt ?? null),
  added.map(({ message }) => JSON.stringify(message.headers)),
  added.map(({ message }) => message.body),
  added.map(({ returns }) => returns),
  added.map(({ dueAt }) => dueAt ?? null),
];
