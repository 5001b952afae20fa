import { AsyncResource } from 'node:async_hooks';
import { errorCode } from '../log/error-code.js';

/** ok = works; degraded = works with a part missing; down = does not work. */
export type HealthStatus = 'ok' | 'degraded' | 'down';

/** One line of `GET /v1/health`. */
export interface CheckReport {
  /** `not_configured`: this deployment does without it, so nothing of it can be broken. */
  readonly status: HealthStatus | 'not_configured';
  /** How long the check took, or was waited for. */
  readonly latencyMs: number;
  /** State of the circuit breaker to that dependency. */
  readonly breaker: 'closed' | 'half-open' | 'open';
  /** Since when the status is what it is (RFC 3339): to the second where its breaker noticed, else to {@link CHECK_EVERY_MS}. */
  readonly since: string;
  /** Why it is not ok. Safe to show without a token: error codes and names, no messages, addresses or credentials. */
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

/** A breaker to a dependency: its worst operation. */
export interface BreakerGlance {
  readonly state: CheckReport['breaker'];
  readonly since: Date;
}

/** A check that turned out otherwise than before. */
export interface HealthChange {
  readonly check: string;
  /** undefined = it is the first look. */
  readonly from: HealthStatus | undefined;
  readonly to: HealthStatus;
  readonly detail?: string | undefined;
}

/** What is there to be told about health. */
export interface HealthParts {
  readonly breakerOf?: (check: string) => BreakerGlance | undefined;
  /** Called once for each change, except that a first look finds something ok. */
  readonly onChange?: (change: HealthChange) => void;
}

/** Between two looks in the background: how late a transition is noticed that no call met. */
const CHECK_EVERY_MS = 5_000;
/** Two seconds each, all at once: the whole answer stays under the 2.5 s of the contract whatever hangs. */
const CHECK_TIMEOUT_MS = 2_000;
const REMEMBERED_MS = 1_000;
/** Without it nothing can be accepted; all others can be done without for a while. */
const VITAL = 'postgres';

interface Known {
  readonly status: HealthStatus;
  readonly at: Date;
  /** When it was last seen to be so. */
  seenAt: Date;
}

/**
 * Asks all dependencies at once. Callers at the same moment, and within a second after it, share one answer. Once started it looks by
 * itself, so that `since` does not depend on who asks when.
 */
export class Health {
  private current: { readonly report: Promise<HealthReport>; settledAt: number } | undefined;
  private readonly known = new Map<string, Known>();
  // The answer is shared, so it must not run under the deadline and the ids of the caller who asked first.
  private readonly scope = new AsyncResource('Health');
  private readonly checks: Map<string, HealthCheck>;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    checks: Readonly<Record<string, HealthCheck>>,
    private readonly parts: HealthParts = {},
  ) {
    this.checks = new Map(Object.entries(checks));
  }

  /** Adds a check that only its owner can make. */
  add(name: string, check: HealthCheck): void {
    this.checks.set(name, check);
  }

  /** From now on it looks every five seconds. */
  start(): void {
    void this.report();
    this.timer = setInterval(() => void this.report(), CHECK_EVERY_MS);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

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
    const reports = await Promise.all([...this.checks].map(async ([name, check]) => [name, await this.askOne(name, check)] as const));
    const isDown = reports.some(([name, { status }]) => name === VITAL && status === 'down');
    const isWhole = reports.every(([, { status }]) => status === 'ok');
    return { status: isDown ? 'down' : isWhole ? 'ok' : 'degraded', checks: Object.fromEntries(reports) };
  }

  private async askOne(name: string, check: HealthCheck): Promise<CheckReport> {
    const startedAt = performance.now();
    const answer = await outcomeOf(check);
    const latencyMs = Math.round(performance.now() - startedAt);
    const breaker = this.parts.breakerOf?.(name);
    // It answers, but our calls to it are refused until the breaker has found out.
    const { status, detail } =
      answer.status === 'ok' && breaker?.state === 'open' ? { status: 'degraded' as const, detail: 'breaker-open' } : answer;
    const since = this.note({ check: name, to: status, detail }, breaker).toISOString();
    return { status, latencyMs, breaker: breaker?.state ?? 'closed', since, ...(detail === undefined ? {} : { detail }) };
  }

  /** @returns since when the check is what it is. */
  private note({ check, to, detail }: Omit<HealthChange, 'from'>, breaker: BreakerGlance | undefined): Date {
    const known = this.known.get(check);
    const now = new Date();
    if (known?.status === to) {
      known.seenAt = now;
      return known.at;
    }
    // Calls may have met it before this look did.
    const noticed = to !== 'ok' && breaker !== undefined && breaker.state !== 'closed' && breaker.since > (known?.seenAt ?? now);
    const at = noticed ? breaker.since : now;
    this.known.set(check, { status: to, at, seenAt: now });
    if (known !== undefined || to !== 'ok') this.parts.onChange?.({ check, from: known?.status, to, detail });
    return at;
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
    if (answer === 'time up') return { status: 'down', detail: 'timeout' };
    return answer === undefined ? { status: 'ok' } : { status: 'degraded', detail: answer.degraded };
  } catch (error) {
    return { status: 'down', detail: errorCode(error) };
  } finally {
    clearTimeout(timer);
  }
};
