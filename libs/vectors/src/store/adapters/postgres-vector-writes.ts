import { type MessageId, newId } from '#lib/contracts/ids';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { CHECKS_TO_SETTLE, type UnsettledWrite, VectorWritesPort } from '../vector-writes.port.js';

const BEGIN = { name: 'vector-writes-begin', text: 'INSERT INTO vector_writes (id, message_ids) VALUES ($1, $2::uuid[])' };
const END = { name: 'vector-writes-end', text: 'DELETE FROM vector_writes WHERE id = $1' };

const UNSETTLED = `
  SELECT id, message_ids AS "messageIds", checks FROM vector_writes
   WHERE begun_at <= now() - $1 * interval '1 millisecond'
     AND (checked_at IS NULL OR checked_at <= now() - $2 * interval '1 millisecond')
   ORDER BY begun_at LIMIT $3`;

const SETTLE = 'DELETE FROM vector_writes WHERE id = $1 AND checks = $2';
const CHECKED = 'UPDATE vector_writes SET checks = $3, checked_at = now() WHERE id = $1 AND checks = $2';

/** The intent log in the table `vector_writes`: one row for each write that is under way or in doubt. */
export class PostgresVectorWrites extends VectorWritesPort {
  constructor(private readonly lane: PostgresLane) {
    super();
  }

  async begin(messageIds: readonly MessageId[]): Promise<string> {
    const id = newId();
    await this.lane.query(BEGIN, [id, messageIds]);
    return id;
  }

  async end(id: string): Promise<void> {
    await this.lane.query(END, [id]);
  }

  async unsettled(graceMs: number, pauseMs: number, limit: number): Promise<UnsettledWrite[]> {
    return this.lane.query<UnsettledWrite>(UNSETTLED, [graceMs, pauseMs, limit]);
  }

  async checked({ id, checks }: UnsettledWrite, isInStep: boolean): Promise<void> {
    if (isInStep && checks + 1 >= CHECKS_TO_SETTLE) await this.lane.query(SETTLE, [id, checks]);
    else await this.lane.query(CHECKED, [id, checks, isInStep ? checks + 1 : 0]);
  }
}
