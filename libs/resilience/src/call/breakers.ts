import type { DependencyName } from '#lib/contracts/dependencies';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { BreakerCause, BreakerFactory, BreakerPort, BreakerState } from './breaker.port.js';
import type { LoopClock } from './loop-clock.js';
import { RetryBudget } from './retry.js';

/** A breaker as operators see it. */
export interface BreakerReport {
  readonly dependency: DependencyName;
  readonly operation: string;
  readonly state: BreakerState;
  readonly since: Date;
}

/** One breaker that changed its state. */
export interface BreakerTransition extends BreakerCause {
  readonly dependency: DependencyName;
  readonly operation: string;
  readonly from: BreakerState;
  readonly to: BreakerState;
}

/** Told the worst state among the operations of a dependency, whenever that changes. */
export type BreakerListener = (dependency: DependencyName, state: BreakerState) => void;

const severity = { closed: 0, 'half-open': 0.5, open: 1 } as const satisfies Record<BreakerState, number>;

interface Known {
  readonly operations: Map<string, BreakerPort>;
  readonly retryBudget: RetryBudget;
  worst: BreakerState;
  since: Date;
}

/**
 * What one process has learnt about its dependencies: a breaker per dependency and operation class, a retry budget per dependency.
 * Make one per process (`createBreakers()`); calls that share a dependency and operation share their breaker.
 */
export class Breakers {
  private readonly known = new Map<DependencyName, Known>();
  private readonly listeners = new Set<BreakerListener>();
  private readonly transitionListeners = new Set<(transition: BreakerTransition) => void>();
  private readonly startedAt = new Date();

  /** @param loop of the process that calls; without it standstills are not known. */
  constructor(
    private readonly create: BreakerFactory,
    private readonly loop?: LoopClock,
  ) {}

  /** How long the event loop of this process has stood still so far, in milliseconds. */
  get standstillMs(): number {
    return this.loop?.standstillMs ?? 0;
  }

  /** The breaker of one operation class. The first caller decides its `resetMs`. */
  of(dependency: DependencyName, operation: string, resetMs: number): BreakerPort {
    const { operations } = this.entry(dependency);
    const existing = operations.get(operation);
    if (existing !== undefined) return existing;
    const breaker = this.create({ name: `${dependency}.${operation}`, resetMs });
    operations.set(operation, breaker);
    let from = breaker.state;
    breaker.onChange((to, cause) => {
      const transition = { dependency, operation, from, to, ...cause };
      from = to;
      for (const listener of this.transitionListeners) listener(transition);
      this.recompute(dependency);
    });
    return breaker;
  }

  /** What calls to this dependency may spend on retries, over all its operations. */
  retryBudgetOf(dependency: DependencyName): RetryBudget {
    return this.entry(dependency).retryBudget;
  }

  /** The worst state among the operations of a dependency; closed when it was never called. */
  stateOf(dependency: DependencyName): BreakerState {
    return this.known.get(dependency)?.worst ?? 'closed';
  }

  /** When {@link stateOf} last changed. */
  sinceOf(dependency: DependencyName): Date {
    return this.known.get(dependency)?.since ?? this.startedAt;
  }

  /** Calls `listener` whenever {@link stateOf} changes for some dependency. @returns a function that ends it. */
  onChange(listener: BreakerListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Calls `listener` whenever a breaker changes its state. */
  onTransition(listener: (transition: BreakerTransition) => void): void {
    this.transitionListeners.add(listener);
  }

  /** Every breaker of this process. */
  all(): BreakerReport[] {
    return [...this.known].flatMap(([dependency, { operations }]) =>
      [...operations].map(([operation, { state, since }]) => ({ dependency, operation, state, since })),
    );
  }

  private entry(dependency: DependencyName): Known {
    const existing = this.known.get(dependency);
    if (existing !== undefined) return existing;
    const entry: Known = { operations: new Map(), retryBudget: new RetryBudget(), worst: 'closed', since: this.startedAt };
    this.known.set(dependency, entry);
    metrics.circuitBreakerState.set({ dependency }, severity.closed);
    return entry;
  }

  private recompute(dependency: DependencyName): void {
    const entry = this.entry(dependency);
    const worst = [...entry.operations.values()]
      .map((breaker) => breaker.state)
      .reduce((one, other) => (severity[other] > severity[one] ? other : one), 'closed' as BreakerState);
    if (worst === entry.worst) return;
    entry.worst = worst;
    entry.since = new Date();
    metrics.circuitBreakerState.set({ dependency }, severity[worst]);
    for (const listener of this.listeners) listener(dependency, worst);
  }
}
