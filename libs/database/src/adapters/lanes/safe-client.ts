import { Client, type ClientConfig } from 'pg';

/** The server did not answer a statement within the client's own limit. Whether the statement took effect is not known. */
export class NoAnswer extends Error {
  constructor(limitMs: number) {
    super(`no answer within ${limitMs} ms: the connection was destroyed`);
    this.name = 'NoAnswer';
  }
}

// A shorter connect timeout than this would fail on a busy machine; a longer one only keeps callers waiting for a dead host.
const CONNECT_LIMIT_MS = 2_000;

/**
 * A `pg` client that is either fit for use or gone, never in between. With `pg`'s own `query_timeout` a client whose statement got no
 * answer goes back to its pool: while the server still works on that statement every later query waits behind it (node-postgres #3399),
 * and a transaction that was reported as failed is still open, so that the next user's COMMIT commits it. This client destroys its
 * socket instead: the server rolls back, the pool drops it.
 */
export class SafeClient extends Client {
  /** `performance.now()` of its construction: a client older than a suspected black hole is not to be trusted. */
  readonly createdAt = performance.now();
  private reason: Error | undefined;

  constructor(config: ClientConfig = {}) {
    const { query_timeout: limitMs, connectionTimeoutMillis: acquireMs, ...rest } = config;
    super({
      ...rest,
      connectionTimeoutMillis: Math.min(CONNECT_LIMIT_MS, acquireMs ?? CONNECT_LIMIT_MS),
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
    });
    // pg emits `error` on a client that is checked out; without a listener that ends the process (node-postgres #2635).
    // The query in flight, or the next one, fails with it anyway.
    this.on('error', () => undefined);
    if (limitMs !== undefined) this.limitEachQuery(limitMs);
  }

  /** Cuts the connection at once; what runs on it rejects with `reason`. The client is not usable afterwards. */
  destroy(reason: Error): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    this.connection.stream.destroy(reason);
    // Marks the client as ended, which pg-pool looks at on release. Nothing is sent: the socket is gone.
    void this.end();
  }

  /** Why it was destroyed; undefined while it was not. */
  get destroyedBecause(): Error | undefined {
    return this.reason;
  }

  /** Whether the next user of this client would start from a clean slate. */
  get isFit(): boolean {
    return this.reason === undefined && this.getTransactionStatus() === 'I';
  }

  // `query` has many overloads, and TypeORM uses others than we do: it is wrapped, not overridden.
  private limitEachQuery(limitMs: number): void {
    const query = this.query.bind(this) as (...args: unknown[]) => unknown;
    const limited = (...args: unknown[]): unknown => {
      const timer = setTimeout(() => this.destroy(new NoAnswer(limitMs)), limitMs);
      const finished = () => clearTimeout(timer);
      const callback = args.at(-1);
      if (typeof callback === 'function') {
        args[args.length - 1] = (...results: unknown[]): unknown => {
          finished();
          return callback(...results);
        };
        return query(...args);
      }
      const answer = query(...args);
      if (answer instanceof Promise) answer.then(finished, finished);
      else finished(); // a stream: its reader has a limit of its own
      return answer;
    };
    this.query = limited as typeof this.query;
  }
}
