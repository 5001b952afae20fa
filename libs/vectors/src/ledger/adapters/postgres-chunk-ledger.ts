import { z } from 'zod';
import type { MessageId } from '#lib/contracts/ids';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import type { LaneName } from '#lib/database/pool-budget';
import { ChunkLedgerPort, type LedgerEntry, type LedgerUpdate, standingPerMessage } from '../chunk-ledger.port.js';

const ENTRIES_OF = {
  name: 'message_chunks_of',
  text: `SELECT message_id, version, chunk_count, model, state FROM message_chunks WHERE message_id = ANY($1::uuid[])`,
};

// ORDER BY: two batches that share messages lock them in the same order, so neither waits for the other in a circle.
const RECORD = {
  name: 'message_chunks_record',
  text: `
    INSERT INTO message_chunks AS held (message_id, version, chunk_count, model, state, updated_at)
    SELECT message_id, version, chunk_count, model, state, now()
      FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[], $5::text[]) AS entry (message_id, version, chunk_count, model, state)
     ORDER BY message_id
    ON CONFLICT (message_id) DO UPDATE
       SET version = excluded.version, chunk_count = excluded.chunk_count, model = excluded.model, state = excluded.state,
           updated_at = excluded.updated_at
     WHERE excluded.version > held.version
        OR (excluded.version = held.version AND (excluded.state <> 'failed' OR held.state = 'failed'))
    RETURNING message_id`,
};

/** Compares and removes, so that a true version that was recorded meanwhile stays. */
const REMOVE_FALSE = `
  DELETE FROM message_chunks held USING unnest($1::uuid[], $2::int[]) AS false_entry (message_id, version)
   WHERE held.message_id = false_entry.message_id AND held.version = false_entry.version`;

interface Row {
  readonly message_id: string;
  readonly version: number;
  readonly chunk_count: number;
  readonly model: string;
  readonly state: string;
}

/** What stands in the column `state`. */
export const LedgerState = z.enum(['indexed', 'removed', 'failed']);

/** The ledger in the table `message_chunks`. Each call is one statement, whatever the number of messages. */
export class PostgresChunkLedger extends ChunkLedgerPort {
  /** @param lane whose connections it uses: `work` where messages are indexed, `reads` where people ask how far they are. */
  constructor(
    private readonly lanes: PostgresLanes,
    private readonly lane: LaneName = 'work',
  ) {
    super();
  }

  async entriesOf(messageIds: readonly MessageId[]): Promise<Map<MessageId, LedgerEntry>> {
    if (messageIds.length === 0) return new Map();
    const rows = await this.lanes.lane(this.lane).query<Row>(ENTRIES_OF, [[...new Set(messageIds)]]);
    return new Map(
      rows.map((row) => [
        row.message_id,
        {
          messageId: row.message_id,
          version: row.version,
          chunkCount: row.chunk_count,
          model: row.model,
          state: LedgerState.parse(row.state),
        },
      ]),
    );
  }

  async record(entries: readonly LedgerUpdate[]): Promise<MessageId[]> {
    const standing = standingPerMessage(entries);
    if (standing.length === 0) return [];
    await this.removeFalse(standing);
    const written = await this.lanes
      .lane(this.lane)
      .query<Pick<Row, 'message_id'>>(RECORD, [
        standing.map(({ messageId }) => messageId),
        standing.map(({ version }) => version),
        standing.map(({ chunkCount }) => chunkCount),
        standing.map(({ model }) => model),
        standing.map(({ state }) => state),
      ]);
    const ids = new Set(written.map(({ message_id }) => message_id));
    return standing.map(({ messageId }) => messageId).filter((messageId) => !ids.has(messageId));
  }

  /** A statement of its own, because there is hardly ever something to remove; without its successor the message is found unindexed. */
  private async removeFalse(entries: readonly LedgerUpdate[]): Promise<void> {
    const found = entries.flatMap(({ messageId, insteadOf }) => (insteadOf === undefined ? [] : [{ messageId, insteadOf }]));
    if (found.length === 0) return;
    const values = [found.map(({ messageId }) => messageId), found.map(({ insteadOf }) => insteadOf)];
    await this.lanes.lane(this.lane).query(REMOVE_FALSE, values);
  }
}
