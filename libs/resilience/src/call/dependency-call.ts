import type { DependencyName } from '#lib/contracts/dependencies';
import { beginWait, type Wait } from '#lib/runtime/work/work-registry';
import { errorCode } from '#lib/runtime/log/error-code';
import type { Backoff } from '#lib/runtime/work/backoff';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { BreakerPort, BreakerState, CallVerdict } from './breaker.port.js';
import { AttributedFailures, currentCaller } from './attribution.js';
import type { Breakers } from './breakers.js';
import { Semaphore, SemaphoreFull } from '../limit/semaphore.js';
import { currentDeadline, remainingMs } from './deadline.js';
import type { Span } from '#lib/runtime/trace/span';
import { failCallSpan, startCallSpan } from './call-span.js';
import { DeadlineExceeded, DependencyError } from './errors.js';
import { waitBeforeRetry } from './retry.js';

export type { BreakerState } from './breaker.port.js';

/** How one class of operations on one dependency is called. Numbers: docs/concepts/resilience.md. */
export interface CallPolicy {
  readonly dependency: DependencyName;
  /** Operation class, e.g. `query`, `upsert`, `send`: one breaker each, label of the metrics. */
  readonly operation: string;
  /** Limit of one attempt in milliseconds; the call gets an AbortSignal that fires then. */
  readonly timeoutMs: number;
  /** Attempts in all, the first included. 1 = no retry. Only idempotent operations may have more. */
  readonly attempts?: number;
  /** The wait before attempt n+1: full jitter after n failures. */
  readonly backoff?: Backoff;
  /** Calls in flight at once and calls that may wait for a permit; beyond that `overloaded`. */
  readonly bulkhead?: { readonly concurrent: number; readonly queued: number };
  /** Time an open breaker waits before its trial call, in milliseconds. Default 10,000. */
  readonly resetMs?: number;
  /** A success slower than this counts as a failure for the breaker (opossum has no slow-call rate). */
  readonly slowMs?: number;
  /**
   * Whether an error is the dependency's fault. An error that proves that it answered (bad request, not found, constraint)
   * is not: it is rethrown as it is and counts as a success for the breaker. Default: every error is its fault.
   */
  readonly isItsFault?: (error: unknown) => boolean;
}

const DEFAULT_RESET_MS = 10_000;

/** Label `outcome` of `dependency_call_duration_seconds`. */
type Outcome = 'ok' | 'slow' | 'answered' | 'unavailable' | 'timeout' | 'deadline' | 'open' | 'overloaded';

/**
 * The one way to reach a dependency. From outside to inside: the caller's deadline, retries, a permit of the bulkhead, the breaker,
 * and one attempt with its own AbortSignal. Long-lived: make one per operation class, not per call.
 */
export class DependencyCall {
  private readonly breaker: BreakerPort;
  private readonly bulkhead: Semaphore | undefined;
  private readonly attributed = new AttributedFailures();
  private readonly stopListening: (() => void) | undefined;

  constructor(
    private readonly policy: CallPolicy,
    private readonly breakers: Breakers,
  ) {
    this.breaker = breakers.of(policy.dependency, policy.operation, policy.resetMs ?? DEFAULT_RESET_MS);
    if (policy.bulkhead === undefined) return;
    const bulkhead = new Semaphore(`${policy.dependency}.${policy.operation}`, policy.bulkhead);
    this.bulkhead = bulkhead;
    // A call that waits behind hanging ones would wait for their timeouts only to be refused too.
    this.stopListening = this.breaker.onChange((state) => {
      if (state === 'open') bulkhead.refuseWaiting(() => this.refused('open'));
    });
  }

  /** Leaves the breaker, which other calls may share and which lives as long as the process. For a call that is made for a while only. */
  close(): void {
    this.stopListening?.();
  }

  /** State of the breaker of this operation. */
  get state(): BreakerState {
    return this.breaker.state;
  }

  /**
   * Calls the dependency and settles within `timeoutMs` per attempt (less when the caller's deadline is nearer), whatever `action` does.
   * `action` may run several times when the policy has attempts; it gets the signal of its own attempt, which also fires at the
   * caller's deadline. To make a retry wait, let its error carry `retryAfterMs`.
   * @param what names the operation in its span where the class is not enough; never text or values.
   * @throws DependencyError when the dependency could not serve it; its kind `timeout` leaves open whether it happened.
   * @throws DeadlineExceeded when no time was left to call.
   * @throws the error of `action` itself when the policy says that it is not the dependency's fault.
   */
  async run<T>(action: (signal: AbortSignal) => Promise<T>, what?: string): Promise<T> {
    const { dependency, operation } = this.policy;
    const wait = beginWait(dependency, operation); // so that operators see what a request hangs on (R064)
    const span = startCallSpan(dependency, operation, what);
    try {
      return await this.runWithRetries(action, wait, span);
    } catch (error) {
      failCallSpan(span, error);
      throw error;
    } finally {
      wait?.end();
      span?.end();
    }
  }

  /** Like {@link run}, but answers with `fallback` when the dependency could not serve the call. Other errors are thrown. */
  async runOr<T>(action: (signal: AbortSignal) => Promise<T>, fallback: (error: DependencyError) => T | Promise<T>): Promise<T> {
    try {
      return await this.run(action);
    } catch (error) {
      if (!(error instanceof DependencyError)) throw error;
      const { dependency, operation } = this.policy;
      metrics.fallback.inc({ dependency, operation });
      return fallback(error);
    }
  }

  private async runWithRetries<T>(action: (signal: AbortSignal) => Promise<T>, wait: Wait | undefined, span: Span | undefined): Promise<T> {
    const { dependency, attempts = 1, backoff } = this.policy;
    const budget = this.breakers.retryBudgetOf(dependency);
    budget.countCall();
    let earlier: DependencyError | undefined;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.tryOnce(action, wait);
      } catch (error) {
        const waitMs = waitBeforeRetry({ error, attempt, attempts, backoff, budget, remainingMs: remainingMs() });
        // A retry that was refused must not hide that an earlier attempt may have happened.
        if (waitMs === undefined) throw earlier !== undefined && wasNotTried(error) ? earlier : error;
        earlier = error as DependencyError;
        wait?.enter('retry');
        span?.set('app.attempts', attempt + 1);
        await pause(waitMs);
      }
    }
  }

  private async tryOnce<T>(action: (signal: AbortSignal) => Promise<T>, wait: Wait | undefined): Promise<T> {
    // Checked before queueing too: with an open breaker a call must not wait for a permit only to be refused.
    if (this.breaker.state === 'open') throw this.refused('open');
    if (this.bulkhead === undefined) return this.attempt(action, wait);
    try {
      return await this.bulkhead.run(() => this.attempt(action, wait), { signal: currentDeadline()?.signal });
    } catch (error) {
      throw error instanceof SemaphoreFull ? this.refused('overloaded') : error;
    }
  }

  private async attempt<T>(action: (signal: AbortSignal) => Promise<T>, wait: Wait | undefined): Promise<T> {
    wait?.enter('answer');
    const deadline = currentDeadline();
    const leftMs = remainingMs();
    if (deadline !== undefined && leftMs <= 0) throw new DeadlineExceeded(deadline.budgetMs);
    const permit = this.breaker.permit();
    if (permit === undefined) throw this.refused('open');

    const { timeoutMs, slowMs = Number.POSITIVE_INFINITY } = this.policy;
    const startedAt = performance.now();
    const stoodStillMs = this.breakers.standstillMs;
    const lagMs = () => this.breakers.standstillMs - stoodStillMs;
    const settle = (verdict: CallVerdict, outcome: Outcome, error?: unknown) => {
      // Our own lag: the answer may have been there in time, or the question had not left.
      const isOurs = verdict === 'failing' && lagMs() > timeoutMs / 2;
      permit.verdict(isOurs ? 'unknown' : verdict, error === undefined ? outcome : errorCode(error));
      this.measure(outcome, performance.now() - startedAt);
    };

    // A controller of its own: the timeout of one call must not abort another (opossum shares one).
    const controller = new AbortController();
    const { promise: expired, reject } = Promise.withResolvers<never>();
    const expire = (cause?: DeadlineExceeded) => {
      const error = this.failed('timeout', cause);
      reject(error); // before the abort, so that this error wins over what the action makes of the signal
      controller.abort(error);
    };
    const onDeadline = () => expire(new DeadlineExceeded(deadline?.budgetMs ?? timeoutMs));
    const timer = leftMs < timeoutMs ? setTimeout(onDeadline, leftMs) : setTimeout(expire, timeoutMs);
    deadline?.signal.addEventListener('abort', onDeadline, { once: true });
    try {
      // The race also handles the rejection of an action that comes too late, which would end the process otherwise.
      const result = await Promise.race([callSafely(action, controller.signal), expired]);
      const isSlow = performance.now() - startedAt > slowMs;
      settle(isSlow ? 'failing' : 'healthy', isSlow ? 'slow' : 'ok');
      return result;
    } catch (error) {
      throw this.judge(error, settle);
    } finally {
      clearTimeout(timer);
      deadline?.signal.removeEventListener('abort', onDeadline);
    }
  }

  /** Settles a failed attempt. @returns the error to throw. */
  private judge(error: unknown, settle: (verdict: CallVerdict, outcome: Outcome, error?: unknown) => void): unknown {
    const { isItsFault = () => true } = this.policy;
    if (error instanceof DeadlineExceeded) {
      settle('unknown', 'deadline');
      return error;
    }
    // Our own timeout, or an adapter that knows better what went wrong (a client-side query timeout, an exhausted pool).
    if (error instanceof DependencyError) {
      if (error.cause instanceof DeadlineExceeded) settle('unknown', 'deadline');
      else settle(this.verdictOn(error), error.kind, error);
      return error;
    }
    if (!isItsFault(error)) {
      settle('healthy', 'answered');
      return error;
    }
    settle('failing', 'unavailable', error);
    return this.failed('unavailable', error);
  }

  /** What one caller's data may have caused says nothing about the dependency until several callers meet it. */
  private verdictOn(error: DependencyError): CallVerdict {
    if (!error.wasTried) return 'unknown';
    return !error.isAttributable || this.attributed.count(currentCaller()) ? 'failing' : 'unknown';
  }

  private failed(kind: 'timeout' | 'unavailable', cause?: unknown): DependencyError {
    const retryAfterMs = toldToWait(cause);
    return new DependencyError(this.policy.dependency, this.policy.operation, kind, {
      ...(cause === undefined ? {} : { cause }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }

  private refused(kind: 'open' | 'overloaded'): DependencyError {
    this.measure(kind, 0);
    const { retryInMs } = this.breaker;
    return new DependencyError(this.policy.dependency, this.policy.operation, kind, retryInMs > 0 ? { retryAfterMs: retryInMs } : {});
  }

  private measure(outcome: Outcome, durationMs: number): void {
    const { dependency, operation } = this.policy;
    metrics.dependencyCallDuration.observe({ dependency, operation, outcome }, durationMs / 1_000);
  }
}

const wasNotTried = (error: unknown): boolean => error instanceof DeadlineExceeded || (error instanceof DependencyError && !error.wasTried);

// An action that throws before its first await rejects like any other.
const callSafely = async <T>(action: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> => action(signal);

const toldToWait = (error: unknown): number | undefined => {
  if (typeof error !== 'object' || error === null || !('retryAfterMs' in error)) return undefined;
  const { retryAfterMs } = error;
  return typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? retryAfterMs : undefined;
};

// The caller has more time than this: waitBeforeRetry saw to it.
const pause = (waitMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, waitMs));
