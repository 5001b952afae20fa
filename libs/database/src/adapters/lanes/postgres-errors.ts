import { DatabaseError } from 'pg';
import { DeadlineExceeded, DependencyError, type FailureKind } from '#lib/resilience/call/errors';
import { NoAnswer } from './safe-client.js';

const STATEMENT_TIMEOUT = '57014';
/** Contention: another transaction holds what this statement needs (lock timeout, serialization failure, deadlock). Nothing was done, nothing is broken. */
const CONTENTION = new Set(['55P03', '40001', '40P01']);
/** The transaction can be run again as it is. */
const REPEATABLE = new Set(['40001', '40P01']);
// Connection, resources, operator intervention, system error, internal error, authorization, and a standby that took over read-only:
// Postgres says that it cannot work now.
const UNABLE = /^(?:08|53|57P|58|XX|28|3D000$|25006$|25P03$)/;
// A statement that took too long, that needed more memory than there is, or that met a bug of Postgres: what one text can do to it.
const ATTRIBUTABLE = /^(?:57014|53200|XX...)$/;
const POOL_EXHAUSTED = 'timeout exceeded when trying to connect';

// pg and pg-pool have these messages and no code for a server that accepts a connection and then says nothing.
const CONNECT_TIMEOUTS = new Set(['timeout expired', 'Connection terminated due to connection timeout']);

/** No connection within its limit; nothing was asked yet. */
class ConnectTimeout extends Error {
  readonly code = 'timeout';

  constructor(cause: Error) {
    super(cause.message, { cause });
    this.name = 'ConnectTimeout';
  }
}

/** SQLSTATE of an error that Postgres answered with; undefined for anything else. */
export const sqlStateOf = (error: unknown): string | undefined => (error instanceof DatabaseError ? error.code : undefined);

/** Whether running the same transaction again may succeed at once. Takes a translated error. */
export const isRepeatable = (error: unknown): boolean => error instanceof DependencyError && REPEATABLE.has(sqlStateOf(error.cause) ?? '');

const kindOf = (error: unknown): FailureKind | undefined => {
  if (error instanceof NoAnswer) return 'timeout';
  if (!(error instanceof DatabaseError)) {
    // pg-pool has one message and no code for "no client became free in time".
    return error instanceof Error && error.message === POOL_EXHAUSTED ? 'overloaded' : 'unavailable';
  }
  const code = error.code ?? '';
  if (code === STATEMENT_TIMEOUT) return 'timeout';
  if (CONTENTION.has(code)) return 'overloaded';
  return UNABLE.test(code) ? 'unavailable' : undefined;
};

/**
 * What a failure of `pg` means for the caller: a DependencyError when Postgres could not serve the call (`overloaded` for an exhausted
 * pool or a lock that another transaction holds), or the DatabaseError itself when it answered that the statement or its data are wrong.
 * @param answersOthers whether Postgres answered other statements while this one got no answer.
 */
export const translated = (error: unknown, operation: string, answersOthers = false): unknown => {
  if (error instanceof DependencyError || error instanceof DeadlineExceeded) return error;
  const kind = kindOf(error);
  if (kind === undefined) return error;
  const isAttributable = error instanceof NoAnswer ? answersOthers : ATTRIBUTABLE.test(sqlStateOf(error) ?? '');
  const cause = error instanceof Error && CONNECT_TIMEOUTS.has(error.message) ? new ConnectTimeout(error) : error;
  return new DependencyError('postgres', operation, kind, { cause, isAttributable });
};
