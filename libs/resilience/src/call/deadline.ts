import { type Scope, currentScope, runInScope } from '#lib/runtime/log/scope';
import { DeadlineExceeded } from './errors.js';

/** The instant by which a unit of work must have answered, and a signal that fires then. */
export interface Deadline {
  /** Milliseconds of `performance.now()`. */
  readonly at: number;
  readonly budgetMs: number;
  readonly signal: AbortSignal;
}

/** The deadline of the running unit of work; undefined outside one (start-up, background loops). */
export const currentDeadline = (): Deadline | undefined => currentScope()?.deadline as Deadline | undefined;

/** Milliseconds left, at least 0; Infinity without a deadline. */
export const remainingMs = (): number => {
  const deadline = currentDeadline();
  return deadline === undefined ? Number.POSITIVE_INFINITY : Math.max(0, deadline.at - performance.now());
};

/**
 * Runs `work` and settles within `budgetMs` (or the outer deadline, when that is nearer), whatever `work` does:
 * then it rejects with DeadlineExceeded and `signal` fires, so that I/O underneath stops too.
 * `context` replaces that of the running work. `whenOver` is called once, when it settles, before anything that waits for it goes on.
 */
export const withDeadline = <T>(
  budgetMs: number,
  work: (deadline: Deadline) => Promise<T>,
  { context = currentScope()?.context, whenOver = nothing }: { context?: Scope['context']; whenOver?: () => void } = {},
): Promise<T> =>
  new Promise((resolve, reject) => {
    const deadline = new RunningDeadline(Math.min(budgetMs, remainingMs()));
    const timer = setTimeout(() => {
      const error = new DeadlineExceeded(deadline.budgetMs);
      reject(error);
      whenOver();
      deadline.expire(error);
    }, deadline.budgetMs);
    const settled = () => {
      clearTimeout(timer);
      if (!deadline.isExpired) whenOver();
    };
    const succeed = (value: T) => {
      settled();
      resolve(value);
    };
    const fail = (error: unknown) => {
      settled();
      reject(error);
    };
    // One promise of its own and no async function: each request, delivery and call to a dependency passes through here.
    try {
      runInScope({ context, deadline }, () => work(deadline)).then(succeed, fail);
    } catch (error) {
      fail(error);
    }
  });

const nothing = (): void => undefined;

class RunningDeadline implements Deadline {
  readonly at: number;
  /** Made when it is asked for: few callers do, and it is the dearest part of a deadline. */
  private controller: AbortController | undefined;
  private expired: DeadlineExceeded | undefined;

  constructor(readonly budgetMs: number) {
    this.at = performance.now() + budgetMs;
  }

  get isExpired(): boolean {
    return this.expired !== undefined;
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.expired !== undefined) this.controller.abort(this.expired);
    }
    return this.controller.signal;
  }

  expire(error: DeadlineExceeded): void {
    this.expired = error;
    this.controller?.abort(error);
  }
}

/** Runs `work` without the surrounding deadline: for work that outlives the request that started it. */
export const withoutDeadline = <T>(work: () => T): T => runInScope({ context: currentScope()?.context, deadline: undefined }, work);
