/** How many connections Postgres takes. */
export abstract class ConnectionLimitsPort {
  /** `max_connections`. @throws DependencyError when Postgres does not answer. */
  abstract maxConnections(): Promise<number>;
}
