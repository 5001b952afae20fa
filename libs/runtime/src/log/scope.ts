import { AsyncLocalStorage } from 'node:async_hooks';

/** Ids that travel with a unit of work (an HTTP request, a consumed event) and stand in each of its log lines (R022). */
export interface WorkContext {
  requestId?: string;
  conversationId?: string;
  messageId?: string;
  userId?: string;
  /** W3C trace context of this unit of work, `00-<trace>-<span>-<flags>`. */
  traceparent?: string;
  /** How long the end of a conversation took, all in all and in Postgres, in milliseconds: the names that R048 gives them. */
  total_time_ms?: number;
  db_time_ms?: number;
}

/**
 * What travels with asynchronous work. One storage for both, because to enter one of several copies what the others hold; use `runInContext` and
 * `withDeadline`.
 */
export interface Scope {
  readonly context: WorkContext | undefined;
  /** A `Deadline` of libs/resilience, which this lib does not know. */
  readonly deadline: object | undefined;
}

/** For work that several callers share: in the name of none of them, and under the deadline of none. */
export const NO_CALLER: Scope = { context: undefined, deadline: undefined };

const storage = new AsyncLocalStorage<Scope>();

/** The scope of the running work; undefined outside of any. */
export const currentScope = (): Scope | undefined => storage.getStore();

/** Runs `work` in `scope`, and what it starts. */
export const runInScope = <T>(scope: Scope, work: () => T): T => storage.run(scope, work);
