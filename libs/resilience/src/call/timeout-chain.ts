import { type Config, ConfigError } from '#lib/runtime/config/config';

/** One time limit in a chain from the innermost wait to the outermost. */
export interface TimeoutLink {
  /** What waits, and where an operator changes it, e.g. `statement (DB_STATEMENT_TIMEOUT_MS)`. */
  readonly name: string;
  readonly ms: number;
  /** Whether it must be longer than the link before it; otherwise it may be equal. */
  readonly isLonger?: true;
}

/**
 * Checks that each time limit leaves room for the one inside it: otherwise the outer one fires first, and what hung goes on unseen.
 * @throws ConfigError with one line for each pair of neighbours that collide, naming both.
 */
export const verifyTimeoutChain = (links: readonly TimeoutLink[]): void => {
  const problems = links.flatMap((outer, index) => {
    const inner = links[index - 1];
    if (inner === undefined || inner.ms < outer.ms || (inner.ms === outer.ms && outer.isLonger === undefined)) return [];
    const relation = outer.isLonger ? 'shorter than' : 'at most';
    return [`timeouts collide: ${inner.name} is ${inner.ms} ms, it must be ${relation} ${outer.name}, which is ${outer.ms} ms`];
  });
  if (problems.length > 0) throw new ConfigError(problems);
};

/** How much later than the server the client gives up on a statement: the time its error needs to arrive. */
const STATEMENT_GRACE_MS = 500;

/** The limits of Postgres calls of a process, in milliseconds; each one is inside the next. */
export interface DatabaseTimeouts {
  readonly connectMs: number;
  /** Longest wait for a connection of the pool. */
  readonly acquireMs: number;
  /** Postgres itself ends the statement then (`statement_timeout`). */
  readonly statementMs: number;
  /** The client gives up on the answer and destroys the connection; must never come before the server's own limit. */
  readonly queryMs: number;
  /** One DependencyCall: waiting for a connection and using it. */
  readonly callMs: number;
}

/** Postgres limits that follow from the configuration: 1 + 3 + 0.5 s by default, 5 s for the whole call. */
export const databaseTimeouts = (config: Pick<Config, 'DB_POOL_TIMEOUT_MS' | 'DB_STATEMENT_TIMEOUT_MS'>): DatabaseTimeouts => {
  const queryMs = config.DB_STATEMENT_TIMEOUT_MS + STATEMENT_GRACE_MS;
  return {
    connectMs: config.DB_POOL_TIMEOUT_MS,
    acquireMs: config.DB_POOL_TIMEOUT_MS,
    statementMs: config.DB_STATEMENT_TIMEOUT_MS,
    queryMs,
    callMs: config.DB_POOL_TIMEOUT_MS + queryMs + STATEMENT_GRACE_MS,
  };
};

/** The outer end of every chain, in milliseconds: no endpoint takes longer than `app`, so that a 504 is never ours (law 1). */
export const outerTimeouts = { app: 55_000, loadBalancer: 60_000, keepAlive: 65_000 } as const;

/**
 * The chain of law 1 for one endpoint that uses Postgres:
 * connect <= acquire <= statement < query < call <= endpoint < 55 s app < 60 s load balancer < 65 s keep-alive.
 */
export const timeoutChain = (
  config: Pick<Config, 'DB_POOL_TIMEOUT_MS' | 'DB_STATEMENT_TIMEOUT_MS'>,
  endpoint: { readonly name: string; readonly deadlineMs: number },
): TimeoutLink[] => {
  const database = databaseTimeouts(config);
  return [
    { name: 'Postgres connect (DB_POOL_TIMEOUT_MS)', ms: database.connectMs },
    { name: 'wait for a pool connection (DB_POOL_TIMEOUT_MS)', ms: database.acquireMs },
    { name: 'statement (DB_STATEMENT_TIMEOUT_MS)', ms: database.statementMs },
    { name: 'query in the client (DB_STATEMENT_TIMEOUT_MS + 500)', ms: database.queryMs, isLonger: true },
    { name: 'Postgres call (DB_POOL_TIMEOUT_MS + DB_STATEMENT_TIMEOUT_MS + 1000)', ms: database.callMs, isLonger: true },
    { name: `deadline of ${endpoint.name}`, ms: endpoint.deadlineMs },
    { name: 'longest answer of the process', ms: outerTimeouts.app, isLonger: true },
    { name: 'load balancer', ms: outerTimeouts.loadBalancer, isLonger: true },
    { name: 'keep-alive', ms: outerTimeouts.keepAlive, isLonger: true },
  ];
};

/**
 * The chain of law 1 for the handler of a queue: a call that hangs must run into its own limit before the handler's deadline ends it, also when
 * Postgres was slow before. Otherwise its breaker never hears of it and the queue never pauses.
 */
export const handlerChain = (
  config: Pick<Config, 'DB_POOL_TIMEOUT_MS' | 'DB_STATEMENT_TIMEOUT_MS'>,
  handler: { readonly queue: string; readonly deadlineMs: number },
  call: { readonly name: string; readonly timeoutMs: number },
): TimeoutLink[] => [
  { name: call.name, ms: call.timeoutMs },
  {
    name: `Postgres call (DB_POOL_TIMEOUT_MS + DB_STATEMENT_TIMEOUT_MS + 1000) and ${call.name}`,
    ms: databaseTimeouts(config).callMs + call.timeoutMs,
  },
  { name: `deadline of a handler of ${handler.queue}`, ms: handler.deadlineMs, isLonger: true },
];
