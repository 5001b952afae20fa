import { withoutDeadline } from '#lib/resilience/call/deadline';
import { runInContext } from '#lib/runtime/log/context';
import type { PostgresLane } from './postgres-lane.js';

/** How often the clocks are compared, in milliseconds. */
const COMPARE_MS = 60_000;
/** A smaller difference is left alone: it is what time synchronisation and the way to Postgres make of two clocks that go right. */
const TOLERATED_MS = 1_000;

/**
 * The time that all processes agree on: Postgres'. A process whose own clock goes wrong would date its messages into the future, where they
 * hold their conversations at the top of every list, or into the past. Asked once before the first use, then once a minute in the background.
 */
export class PostgresClock {
  private offsetMs = 0;
  private comparedAt = Number.NEGATIVE_INFINITY;
  private comparing: Promise<void> | undefined;

  constructor(private readonly lane: PostgresLane) {}

  /** What {@link now} would say, at once; undefined when it would have to compare the clocks first. */
  get known(): Date | undefined {
    return performance.now() - this.comparedAt > COMPARE_MS ? undefined : new Date(Date.now() + this.offsetMs);
  }

  /** What Postgres' clock shows, to a second or better. @throws DependencyError when it was never asked and cannot answer. */
  async now(): Promise<Date> {
    if (performance.now() - this.comparedAt > COMPARE_MS) {
      this.comparing ??= this.compare().finally(() => {
        this.comparing = undefined;
      });
      if (this.comparedAt === Number.NEGATIVE_INFINITY) await this.comparing;
      else this.comparing.catch(() => undefined); // what was learnt a minute ago still holds; the next use asks again
    }
    return new Date(Date.now() + this.offsetMs);
  }

  private async compare(): Promise<void> {
    const askedAt = Date.now();
    const ask = () => this.lane.query<{ at: Date }>('SELECT clock_timestamp() AS at');
    const [row] = await withoutDeadline(() => runInContext({}, ask)); // for all callers
    if (row === undefined) throw new Error('Postgres did not say what time it is');
    const halfWayMs = (Date.now() - askedAt) / 2; // a slow answer says less: Postgres looked at its clock somewhere on the way
    const offsetMs = row.at.getTime() - (askedAt + halfWayMs);
    this.offsetMs = Math.abs(offsetMs) > TOLERATED_MS + halfWayMs ? Math.round(offsetMs) : 0;
    this.comparedAt = performance.now();
  }
}
