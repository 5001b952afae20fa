import type { Logger } from '#lib/runtime/log/logger';

/** How often an outage that goes on is told again: an operator sees that it does, and can still read what else is there. */
const AGAIN_EVERY_MS = 30_000;

/**
 * What a process says while its connections cannot reach a server: a line when the first one fails, then their number every 30 s, and a line
 * when the last is back. Each of them trying ten times a second would say no more.
 */
export class OutageLog {
  private readonly failing = new Set<string>();
  private failures = 0;
  private beganAt = 0;
  private toldAt = 0;

  constructor(
    private readonly server: string,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** A connection could not be made. */
  failed(connection: string, error: string, logger: Logger): void {
    const isFirst = this.failing.size === 0;
    if (isFirst) Object.assign(this, { beganAt: this.now(), failures: 0 });
    this.failing.add(connection);
    this.failures += 1;
    if (!isFirst && this.now() - this.toldAt < AGAIN_EVERY_MS) return;
    this.toldAt = this.now();
    logger.warn({ connection, connections: this.failing.size, failures: this.failures, error }, `cannot connect to ${this.server}`);
  }

  /** A connection that is not wanted any more. */
  forget(connection: string): void {
    this.failing.delete(connection);
  }

  /** A connection is there again. */
  ended(connection: string, logger: Logger): void {
    if (!this.failing.delete(connection) || this.failing.size > 0) return;
    logger.info(
      { failures: this.failures, durationMs: Math.round(this.now() - this.beganAt) },
      `all connections to ${this.server} are back`,
    );
  }
}
