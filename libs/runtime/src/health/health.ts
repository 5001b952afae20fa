import { AsyncResource } from 'node:async_hooks';
import { Inject, Injectable, ServiceUnavailableException } from '@nestjs/common';
import { type HealthCheckResult, HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';
import { errorCode } from '../log/error-code.js';
import { LOGGER, type Logger } from '../log/logger.js';
import { metrics } from '../metrics/metrics.js';
import { type BreakerGlance, type HealthStatus, Transitions } from './transitions.js';

/** One line of `GET /v1/health`. */
export interface CheckReport {
  /** `not_configured`: this deployment does without it, so nothing of it can be broken. */
  readonly status: HealthStatus | 'not_configured';
  /** How long the check took, or was waited for. */
  readonly latencyMs: number;
  /** State of the circuit breaker to that dependency. */
  readonly breaker: BreakerGlance['state'];
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

/** One dependency, added to {@link Health} by the lib that calls it. */
export interface HealthProbe {
  readonly name: string;
  /** Without it nothing can be accepted: the whole process counts as down. Without any other it is degraded. */
  readonly isVital?: boolean;
  /**
   * Resolves when the dependency works, with a reason when only partly, rejects when not.
   * Should stop at `signal`; it is not waited for any longer.
   */
  readonly check: (signal: AbortSignal) => Promise<void | { readonly degraded: string }>;
  /** The breaker to it, its worst operation. */
  readonly breaker?: () => BreakerGlance;
}

/** Between two looks in the background: how late a transition is noticed that no call met. */
const CHECK_EVERY_MS = 5_000;
/** Two seconds each, all at once: the whole answer stays under the 2.5 s of the contract whatever hangs. */
const CHECK_TIMEOUT_MS = 2_000;
/** A process that stood still this long in the middle of a check may have slept through the answer: its timers run before what has come meanwhile. */
const STANDSTILL_MS = 500;
const TICK_MS = 100;
/** What was found before counts for so long after such a check: three looks. A process that sleeps all the time must not call a lost server well. */
const BELIEVED_MS = 15_000;
/** Callers within a second share one look at a dependency. */
const CACHED_MS = 1_000;
/** What Terminus says in place of the error of a check that took too long. */
const TERMINUS_TIMEOUT = `timeout of ${CHECK_TIMEOUT_MS}ms exceeded`;

/**
 * The probes of this process, asked through Terminus: all at once, each with a time limit, one run for all who ask within a second.
 * Once started it looks by itself, so that `since` does not depend on who asks when. What Terminus does not know (breakers, since, codes
 * for details) stands here: ADR 6.
 */
@Injectable()
export class Health {
  private readonly probes = new Map<string, HealthProbe>();
  private readonly latest = new Map<string, { readonly report: CheckReport; readonly foundAt: number }>();
  private readonly transitions: Transitions;
  // A run is shared, so it must not have the deadline and the ids of the caller who asked first.
  private readonly scope = new AsyncResource('Health');
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(HealthCheckService) private readonly terminus: HealthCheckService,
    @Inject(HealthIndicatorService) private readonly indicators: HealthIndicatorService,
    @Inject(LOGGER) logger: Logger,
  ) {
    this.transitions = new Transitions((change) => logger[change.to === 'ok' ? 'info' : 'warn'](change, 'health changed'));
  }

  /** From now on the report has a line with this name. */
  add(probe: HealthProbe): void {
    this.probes.set(probe.name, probe);
  }

  /** From now on it looks every five seconds, and logs each change once. */
  start(): void {
    void this.report();
    this.timer = setInterval(() => void this.report(), CHECK_EVERY_MS);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Never rejects; settles in less than 2.5 s. */
  async report(): Promise<HealthReport> {
    const probes = [...this.probes.values()];
    const checks = await this.scope.runInAsyncScope(() => this.ask(probes));
    const isDown = probes.some(({ name, isVital }) => isVital === true && checks[name]?.status === 'down');
    const isWhole = Object.values(checks).every(({ status }) => status === 'ok');
    return { status: isDown ? 'down' : isWhole ? 'ok' : 'degraded', checks };
  }

  private async ask(probes: readonly HealthProbe[]): Promise<Record<string, CheckReport>> {
    const pause = new LongestPause();
    try {
      return await this.reportsOf(probes, pause);
    } finally {
      pause.end();
    }
  }

  private async reportsOf(probes: readonly HealthProbe[], pause: LongestPause): Promise<Record<string, CheckReport>> {
    const details = await detailsOf(this.terminus.check(probes.map((probe) => () => this.indicate(probe, pause))));
    return Object.fromEntries(Object.entries(details).map(([name, { report }]) => [name, report as CheckReport]));
  }

  private async indicate(probe: HealthProbe, pause: LongestPause) {
    const indicator = this.indicators.check(probe.name);
    const attempt = indicator.attempt(withCodes(probe.check)).withTimeout(CHECK_TIMEOUT_MS).cacheFor(CACHED_MS);
    const outcome = (await attempt)[probe.name] as Outcome;
    const hasSlept = outcome.message === TERMINUS_TIMEOUT && pause.longestMs() > STANDSTILL_MS;
    const report = (hasSlept ? this.believed(probe) : undefined) ?? this.judge(probe, outcome);
    if (report.status === 'ok') return indicator.up({ report });
    return report.status === 'degraded' ? indicator.degraded({ report }) : indicator.down({ report });
  }

  /** What was found last, if that is not long ago. */
  private believed({ name }: HealthProbe): CheckReport | undefined {
    const known = this.latest.get(name);
    return known !== undefined && performance.now() - known.foundAt < BELIEVED_MS ? known.report : undefined;
  }

  private judge({ name, breaker: glance }: HealthProbe, outcome: Outcome): CheckReport {
    const known = this.latest.get(name);
    if (outcome.cachedResponse === true && known !== undefined) return known.report;
    const breaker = glance?.();
    const { status, detail } = statusOf(outcome, breaker);
    metrics.healthCheckUp.set({ check: name }, status === 'down' ? 0 : 1);
    const since = this.transitions.note({ check: name, to: status, detail }, breaker).toISOString();
    const latencyMs = outcome.responseTime;
    const report = { status, latencyMs, breaker: breaker?.state ?? 'closed', since, ...(detail === undefined ? {} : { detail }) };
    this.latest.set(name, { report, foundAt: performance.now() });
    return report;
  }
}

/** How long the event loop of this process has stood still at most since this was made. */
class LongestPause {
  private known = 0;
  private tickedAt = performance.now();
  private readonly timer = setInterval(() => this.longestMs(), TICK_MS).unref();

  longestMs(): number {
    const now = performance.now();
    this.known = Math.max(this.known, now - this.tickedAt);
    this.tickedAt = now;
    return this.known;
  }

  end(): void {
    clearInterval(this.timer);
  }
}

/** What an attempt of Terminus leaves. */
interface Outcome {
  readonly status: 'up' | 'down';
  readonly responseTime: number;
  readonly cachedResponse?: true;
  readonly message?: string;
  readonly degraded?: string;
}

const statusOf = (outcome: Outcome, breaker: BreakerGlance | undefined): { status: HealthStatus; detail?: string | undefined } => {
  const { status, message, degraded } = outcome;
  if (status === 'down') return { status, detail: message === TERMINUS_TIMEOUT ? 'timeout' : message };
  if (degraded !== undefined) return { status: 'degraded', detail: degraded };
  // It answers, but our calls to it are refused until the breaker has found out.
  return breaker?.state === 'open' ? { status: 'degraded', detail: 'breaker-open' } : { status: 'ok' };
};

/** Terminus shows the message of an error, and messages may hold addresses: it is given the code. */
const withCodes =
  (check: HealthProbe['check']) =>
  async ({ signal }: { signal: AbortSignal }): Promise<{ degraded: string } | void> => {
    try {
      return await check(signal);
    } catch (error) {
      throw new Error(errorCode(error), { cause: error });
    }
  };

/** Terminus throws its answer as a 503 as soon as one check is down; here only a vital one may answer 503. */
const detailsOf = async (checking: Promise<HealthCheckResult>): Promise<HealthCheckResult['details']> => {
  try {
    return (await checking).details;
  } catch (error) {
    if (!(error instanceof ServiceUnavailableException)) throw error;
    return (error.getResponse() as HealthCheckResult).details;
  }
};
