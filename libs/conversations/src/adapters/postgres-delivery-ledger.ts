import { z } from 'zod';
import type { MessageId } from '#lib/contracts/ids';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { type DeliveryEntry, DeliveryLedgerPort, standingDeliveries } from '../delivery-ledger.port.js';

const ENTRIES_OF = {
  name: 'message-deliveries-of',
  text: 'SELECT message_id AS "messageId", version, state FROM message_deliveries WHERE message_id = ANY ($1::uuid[])',
};

const FIRST = {
  name: 'first-message-delivery',
  text: 'SELECT message_id AS "messageId" FROM message_deliveries WHERE version = 1 ORDER BY message_id LIMIT 1',
};

// ORDER BY: two batches that share messages lock them in the same order, so neither waits for the other in a circle.
const RECORD = {
  name: 'record-message-deliveries',
  text: `
    INSERT INTO message_deliveries AS held (message_id, version, state, at)
    SELECT message_id, version, state, now() FROM unnest($1::uuid[], $2::int[], $3::text[]) AS entry (message_id, version, state)
     ORDER BY message_id
    ON CONFLICT (message_id) DO UPDATE SET version = excluded.version, state = excluded.state, at = excluded.at
     WHERE excluded.version > held.version
        OR (excluded.version = held.version AND excluded.state = 'delivered' AND held.state <> 'delivered')`,
};

const State = z.enum(['delivered', 'failed']);

interface Row {
  readonly messageId: MessageId;
  readonly version: number;
  readonly state: string;
}

/** The ledger in the table `message_deliveries`. Each call is one statement, whatever the number of messages. */
export class PostgresDeliveryLedger extends DeliveryLedgerPort {
  private first: MessageId | undefined;

  /** @param lane `work` where messages go out, `reads` where users ask how far they are. */
  constructor(private readonly lane: PostgresLane) {
    super();
  }

  async entriesOf(messageIds: readonly MessageId[]): Promise<Map<MessageId, DeliveryEntry>> {
    if (messageIds.length === 0) return new Map();
    const rows = await this.lane.query<Row>(ENTRIES_OF, [messageIds]);
    return new Map(rows.map((row) => [row.messageId, { ...row, state: State.parse(row.state) }]));
  }

  async firstRecorded(): Promise<MessageId | undefined> {
    // Asked until there is one: it does not change any more.
    if (this.first === undefined) [this.first] = (await this.lane.query<Pick<Row, 'messageId'>>(FIRST)).map(({ messageId }) => messageId);
    return this.first;
  }

  async record(entries: readonly DeliveryEntry[]): Promise<void> {
    const standing = standingDeliveries(entries);
    if (standing.length === 0) return;
    await this.lane.query(RECORD, [
      standing.map(({ messageId }) => messageId),
      standing.map(({ version }) => version),
      standing.map(({ state }) => state),
    ]);
  }
}
