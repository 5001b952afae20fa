import { ConnectionLimitsPort } from '../connection-limits.port.js';

/** A Postgres that takes so many connections, or does not answer. */
export class MemoryConnectionLimits extends ConnectionLimitsPort {
  constructor(private readonly max: number | undefined) {
    super();
  }

  async maxConnections(): Promise<number> {
    if (this.max === undefined) throw new Error('Postgres is away');
    return this.max;
  }
}
