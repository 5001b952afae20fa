import type { PostgresLane } from '../../adapters/lanes/postgres-lane.js';
import { MessageTracesPort, type Rows, type TracedIds } from '../message-traces.port.js';
import { stepsOfTables } from './steps-of-tables.js';

export class PostgresMessageTraces extends MessageTracesPort {
  constructor(private readonly lane: PostgresLane) {
    super();
  }

  override stepsOf(ids: TracedIds): Promise<Rows> {
    return stepsOfTables(this.lane, ids);
  }
}
