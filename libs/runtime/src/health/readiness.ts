/** An event loop this late answers no request in time: the load balancer should send requests elsewhere until it caught up. */
const MAX_LAG_MS = 1_000;
const TICK_MS = 250;

/** Body of `GET /readyz`. */
export interface ReadinessReport {
  readonly status: 'ready' | 'not-ready';
  /** Why not; empty when ready. */
  readonly reasons: readonly string[];
}

/**
 * Whether this process should be sent work. It knows only the process itself: started, not draining, event loop responsive, nothing held.
 * Never ask a dependency here: one shared outage would take every process out of service at once (law 7).
 *
 *     starting --started()--> ready <--hold()/release, event loop--> not ready --drain()--> draining (for good)
 */
export class Readiness {
  private phase: 'starting' | 'started' | 'draining' = 'starting';
  private readonly holds = new Map<symbol, string>();
  private readonly conditions: (() => string | undefined)[] = [];
  private readonly timer: NodeJS.Timeout;
  private tickedAt = performance.now();
  private lastLagMs = 0;

  constructor() {
    this.timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  get isReady(): boolean {
    return this.reasons.length === 0;
  }

  get isDraining(): boolean {
    return this.phase === 'draining';
  }

  /** How late the event loop runs its timers, in milliseconds: the last delay that ended, or the one that is going on. */
  get eventLoopLagMs(): number {
    return Math.max(this.lastLagMs, performance.now() - this.tickedAt - TICK_MS, 0);
  }

  report(): ReadinessReport {
    const { reasons } = this;
    return { status: reasons.length === 0 ? 'ready' : 'not-ready', reasons };
  }

  /** Everything that this process needs is built and listening. */
  started(): void {
    if (this.phase === 'starting') this.phase = 'started';
  }

  /** No new work from now on; there is no way back. */
  drain(): void {
    this.phase = 'draining';
  }

  /** Keeps the process out of service for a reason of its own (e.g. a queue declared with other arguments). @returns a function that ends it. */
  hold(reason: string): () => void {
    const key = Symbol(reason);
    this.holds.set(key, reason);
    return () => this.holds.delete(key);
  }

  /** Keeps the process out of service as long as `reason` gives one. Asked with every report, so it must only look at what is known. */
  holdWhile(reason: () => string | undefined): void {
    this.conditions.push(reason);
  }

  /** Stops measuring the event loop. */
  stop(): void {
    clearInterval(this.timer);
  }

  private get reasons(): string[] {
    const lagMs = this.eventLoopLagMs;
    return [
      ...(this.phase === 'started' ? [] : [this.phase]),
      ...(lagMs > MAX_LAG_MS ? [`event loop is ${Math.round(lagMs)} ms late`] : []),
      ...this.holds.values(),
      ...this.conditions.map((reason) => reason()).filter((reason) => reason !== undefined),
    ];
  }

  private tick(): void {
    const now = performance.now();
    this.lastLagMs = Math.max(0, now - this.tickedAt - TICK_MS);
    this.tickedAt = now;
  }
}
