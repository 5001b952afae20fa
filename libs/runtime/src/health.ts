import { AsyncResource } from 'node:async_hooks';

/** ok = works; degraded = works with a part missing; down = does not work. */
export type HealthStatus = 'ok' | 'degraded' | 'down';

/** One line of `GET /v1/health`. */
export interface CheckReport {
  readonly status: HealthStatus;
  /** How long the check took, or was waited for. */
  readonly latencyMs: number;
  /** State of the circuit breaker to that dependency. */
  readonly breaker: 'closed' | 'half-open' | 'open';
  /** Since when the status is what it is, as far as this process knows (RFC 3339). */
  readonly since: string;
  /** Why it is not ok. Safe to show to anybody: error codes and names, no messages, addresses or credentials. */
  readonly detail?: string;
}

/** Body of `GET /v1/health`; the edge answers 503 when `status` is down and 200 otherwise. */
export interface HealthReport {
  readonly status: HealthStatus;
  readonly checks: Readonly<Record<string, CheckReport>>;
}

/**
 * Asks one dependency whether it works: resolves when it does, with a reason when only partly, rejects when not.
 * Should stop at `signal`; it is not waited for any longer.
 */
export type HealthCheck = (signal: AbortSignal) => Promise<void | { readonly degraded: string }>;

/** Two seconds each, all at once: the whole answer stays under the 2.5 s of the contract whatever hangs. */
const CHECK_TIMEOUT_MS = 2_000;
const REMEMBERED_MS = 1_000;
/** Without it nothing can be accepted; all others can be done without for a while. */
const VITAL = 'postgres';

/** Asks all dependencies at once. Callers at the same moment, and within a second after it, share one answer. */
export class Health {
  private current: { readonly report: Promise<HealthReport>; settledAt: number } | undefined;
  private readonly since = new Map<string, { readonly status: HealthStatus; readonly at: Date }>();
  // The answer is shared, so it must not run under the deadline and the ids of whoever asked first.
  private readonly scope = new AsyncResource('Health');

  constructor(
    private readonly checks: Readonly<Record<string, HealthCheck>>,
    private readonly breakerOf: (name: string) => CheckReport['breaker'],
  ) {}

  /** Never rejects; settles in less than 2.5 s. */
  report(): Promise<HealthReport> {
    if (this.current !== undefined && performance.now() - this.current.settledAt <= REMEMBERED_MS) return this.current.report;
    const run = { report: this.scope.runInAsyncScope(() => this.ask()), settledAt: Number.POSITIVE_INFINITY };
    this.current = run;
    return run.report.finally(() => {
      run.settledAt = performance.now();
    });
  }

  private async ask(): Promise<HealthReport> {
    const reports = await Promise.all(
      Object.entries(this.checks).map(async ([name, check]) => [name, await this.askOne(name, check)] as const),
    );
    const isDown = reports.some(([name, { status }]) => name === VITAL && status === 'down');
    const isWhole = reports.every(([, { status }]) => status === 'ok');
    return { status: isDown ? 'down' : isWhole ? 'ok' : 'degraded', checks: Object.fromEntries(reports) };
  }

  private async askOne(name: string, check: HealthCheck): Promise<CheckReport> {
    const startedAt = performance.now();
    const answer = await outcomeOf(check);
    const latencyMs = Math.round(performance.now() - startedAt);
    const breaker = this.breakerOf(name);
    // It answers, but our calls to it are refused until the breaker has found out.
    const { status, detail } =
      answer.status === 'ok' && breaker === 'open' ? { status: 'degraded' as const, detail: 'breaker is open' } : answer;
    return { status, latencyMs, breaker, since: this.sinceOf(name, status), ...(detail === undefined ? {} : { detail }) };
  }

  private sinceOf(name: string, status: HealthStatus): string {
    const known = this.since.get(name);
    const entry = known?.status === status ? known : { status, at: new Date() };
    this.since.set(name, entry);
    return entry.at.toISOString();
  }
}

const outcomeOf = async (check: HealthCheck): Promise<{ status: HealthStatus; detail?: string }> => {
  const controller = new AbortController();
  const { promise: timeUp, resolve } = Promise.withResolvers<'time up'>();
  const timer = setTimeout(() => {
    resolve('time up');
    controller.abort(new Error('health check took too long'));
  }, CHECK_TIMEOUT_MS);
  try {
    // The race also takes a rejection that comes too late.
    const answer = await Promise.race([(async () => check(controller.signal))(), timeUp]);
    if (answer === 'time up') return { status: 'down', detail: `no answer within ${CHECK_TIMEOUT_MS / 1_000} s` };
    return answer === undefined ? { status: 'ok' } : { status: 'degraded', detail: answer.degraded };
  } catch (error) {
    return { status: 'down', detail: nameOf(error) };
  } finally {
    clearTimeout(timer);
  }
};

// The innermost cause says most ("ECONNREFUSED"); messages stay inside, they may hold addresses.
const nameOf = (error: unknown): string => {
  if (!(error instanceof Error)) return 'failed';
  if (error.cause instanceof Error) return nameOf(error.cause);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
};
