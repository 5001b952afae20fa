import type { Logger } from '#lib/runtime/log/logger';

/** Interval of the lines about one outage: shows that it goes on, and leaves the log readable. */
const REPEAT_EVERY_MS = 30_000;

/**
 * Logs an outage of a server once for all connections of a process: a line at the first failure, then their number every 30 s, and a line
 * when the last connection is back.
 */
export class OutageLog {
  private readonly failing = new Set<string>();
  private failures = 0;
  private beganAt = 0;
  private loggedAt = 0;

  constructor(
    private readonly server: string,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Notes a failed connect. */
  failed(connection: string, error: string, logger: Logger): void {
    const isFirst = this.failing.size === 0;
    if (isFirst) Object.assign(this, { beganAt: this.now(), failures: 0 });
    this.failing.add(connection);
    this.failures += 1;
    if (!isFirst && this.now() - this.loggedAt < REPEAT_EVERY_MS) return;
    this.loggedAt = this.now();
    logger.warn({ connection, connections: this.failing.size, failures: this.failures, error }, `cannot connect to ${this.server}`);
  }

  /** Drops a connection that was stopped. */
  forget(connection: string): void {
    this.failing.delete(connection);
  }

  /** Notes a connection that is back. */
  ended(connection: string, logger: Logger): void {
    if (!this.failing.delete(connection) || this.failing.size > 0) return;
    logger.info(
      { failures: this.failures, durationMs: Math.round(this.now() - this.beganAt) },
      `all connections to ${this.server} are back`,
    );
  }
}
