import { InboxPort } from '#lib/bus/consume/run/inbox.port';
import type { PostgresLane } from '../../adapters/lanes/postgres-lane.js';

// Rows are removed in portions, so that pruning never holds many locks or runs into the statement timeout.
const PRUNE_BATCH = 5_000;

const PRUNE = `
  DELETE FROM inbox WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM inbox WHERE processed_at < now() - $1 * interval '1 millisecond' LIMIT ${PRUNE_BATCH}
  ))`;

/** The inbox table. Use the `work` lane. */
export class PostgresInbox extends InboxPort {
  constructor(private readonly work: PostgresLane) {
    super();
  }

  async unseen(consumer: string, eventIds: readonly string[]): Promise<Set<string>> {
    const rows = await this.work.query<{ eventId: string }>(
      { name: 'inbox-seen', text: 'SELECT event_id AS "eventId" FROM inbox WHERE consumer = $1 AND event_id = ANY ($2::uuid[])' },
      [consumer, eventIds],
    );
    const seen = new Set(rows.map(({ eventId }) => eventId));
    return new Set(eventIds.filter((id) => !seen.has(id)));
  }

  async remember(consumer: string, eventIds: readonly string[]): Promise<void> {
    await this.work.query(
      {
        name: 'inbox-remember',
        text: 'INSERT INTO inbox (consumer, event_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING',
      },
      [consumer, eventIds],
    );
  }

  async prune(olderThanMs: number): Promise<number> {
    for (let pruned = 0; ; ) {
      const rows = await this.work.query(`${PRUNE} RETURNING 1`, [olderThanMs]);
      pruned += rows.length;
      if (rows.length < PRUNE_BATCH) return pruned;
    }
  }
}
