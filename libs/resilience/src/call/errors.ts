import type { DependencyName } from '#lib/contracts/dependencies';

/** Why a call to a dependency did not give a result. */
export type FailureKind =
  /** No answer within the call's own limit or the caller's deadline. The outcome is unknown: it may have happened. */
  | 'timeout'
  /** Refused, reset, closed, or the dependency said that it cannot work now. */
  | 'unavailable'
  /** The breaker is open: the call was not tried. */
  | 'open'
  /** Our own limit of calls in flight is reached: the call was not tried. */
  | 'overloaded';

/** A dependency could not serve a call; nothing is wrong with the request itself. */
export class DependencyError extends Error {
  constructor(
    readonly dependency: DependencyName,
    readonly operation: string,
    readonly kind: FailureKind,
    options: { cause?: unknown; retryAfterMs?: number; isAttributable?: boolean } = {},
  ) {
    super(`${dependency} ${operation}: ${kind}`, { cause: options.cause });
    this.name = 'DependencyError';
    this.isAttributable = options.isAttributable ?? false;
    this.retryAfterMs = options.retryAfterMs ?? 1_000;
    this.toldToWaitMs = options.retryAfterMs;
  }

  /** When trying again may help, in milliseconds. */
  readonly retryAfterMs: number;

  /** How long the dependency itself asked us to wait (`Retry-After`), in milliseconds; undefined when it said nothing. */
  readonly toldToWaitMs: number | undefined;

  /**
   * Whether the data of one call can be the reason, while the dependency serves others (a statement that took too long). Such a failure
   * counts against the dependency only when several callers meet it.
   */
  readonly isAttributable: boolean;

  /** Whether the dependency was asked at all. */
  get wasTried(): boolean {
    return this.kind === 'timeout' || this.kind === 'unavailable';
  }
}

/** The unit of work ran out of the time it was given, whatever used it up. */
export class DeadlineExceeded extends Error {
  constructor(readonly budgetMs: number) {
    super(`deadline of ${budgetMs} ms exceeded`);
    this.name = 'DeadlineExceeded';
  }
}
