import type { DependencyName } from '#lib/contracts/dependencies';
import type { BreakerState } from '#lib/resilience/call/dependency-call';
import { fullJitter } from '#lib/runtime/work/backoff';

/** The breakers of the process as a consumer sees them; `Breakers` of libs/resilience is one. */
export interface BreakerView {
  stateOf(dependency: DependencyName): BreakerState;
  onChange(listener: (dependency: DependencyName, state: BreakerState) => void): () => void;
}

export type PauseState = 'running' | 'paused' | 'probing' | 'ramp';

/** What a pause needs. */
export interface PauseSettings {
  readonly pausesWith: readonly DependencyName[];
  readonly breakers: BreakerView;
  /** Events in flight at once when nothing is wrong. */
  readonly capacity: number;
  /** Called whenever `state`, `allowance` or `isBreakerOpen` may have changed. */
  readonly onChange: () => void;
  readonly backoff?: { readonly baseMs: number; readonly capMs: number };
}

// For an outage that no breaker notices (too few calls): its end is found within the 12 s of law 3.
const BACKOFF = { baseMs: 1_000, capMs: 10_000 };
/** Longest `retryAfterMs` of a dependency that is respected. */
const MAX_RETRY_AFTER_MS = 20_000;
// A breaker that stays half-open although events pass belongs to an operation that these events do not use.
const PROBES_TO_RAMP = 5;

/**
 * Limits the events of a queue in flight while its dependencies fail and recover. An outage is not an attempt, and its end must not
 * cause a thundering herd.
 *
 *                    a breaker opens, or a handler meets an outage that no breaker has noticed yet
 *     RUNNING ------------------------------------------------------------------------------------> PAUSED
 *        ^                                                     (from any state)                        |
 *        | allowance = capacity                               breaker half-open, or the backoff is over |
 *        |                                                                                             v
 *      RAMP <---- breaker closed, or the probe passed with all breakers closed (2, 4, 8, ...) ---- PROBING
 *
 *     allowance:  RUNNING capacity · PAUSED 0 · PROBING exactly 1 · RAMP doubles with each run that passes
 */
export class Pause {
  private current: PauseState = 'running';
  private allowed: number;
  private outagesInARow = 0;
  private probesPassed = 0;
  private timer: NodeJS.Timeout | undefined;
  private stopListening: () => void = () => undefined;

  constructor(private readonly settings: PauseSettings) {
    this.allowed = settings.capacity;
  }

  /** Starts to follow the breakers, from their current state on. */
  start(): void {
    const { breakers, pausesWith } = this.settings;
    this.stopListening = breakers.onChange((dependency) => {
      if (pausesWith.includes(dependency)) this.followBreakers();
    });
    this.followBreakers();
  }

  get state(): PauseState {
    return this.current;
  }

  /** Events that may be in flight now. */
  get allowance(): number {
    return this.allowed;
  }

  /** Whether a breaker of this queue is open. Without one, the pause rests on a failed run alone. */
  get isBreakerOpen(): boolean {
    return this.worst() === 'open';
  }

  /** A handler run passed. */
  passed(): void {
    this.outagesInARow = 0;
    if (this.current === 'ramp') this.ramp(this.allowed * 2);
    if (this.current !== 'probing') return;
    this.probesPassed += 1;
    if (this.worst() === 'closed' || this.probesPassed >= PROBES_TO_RAMP) this.ramp(2);
  }

  /** A handler run met an outage. */
  metOutage(retryAfterMs: number): void {
    if (this.current === 'paused') return;
    this.outagesInARow += 1;
    this.become('paused', 0);
    // The timer of an open breaker leads to the next probe.
    if (this.isBreakerOpen) return;
    const { backoff = BACKOFF } = this.settings;
    const waitMs = Math.max(Math.min(retryAfterMs, MAX_RETRY_AFTER_MS), fullJitter(this.outagesInARow, backoff));
    this.timer = setTimeout(() => this.probe(), waitMs);
  }

  stop(): void {
    this.stopListening();
    clearTimeout(this.timer);
  }

  private followBreakers(): void {
    const worst = this.worst();
    if (worst === 'open') this.become('paused', 0);
    else if (worst === 'half-open' && (this.current === 'paused' || this.current === 'running')) this.probe();
    else if (worst === 'closed' && (this.current === 'paused' || this.current === 'probing')) this.ramp(1);
  }

  private probe(): void {
    this.probesPassed = 0;
    this.become('probing', 1);
  }

  private ramp(allowance: number): void {
    const { capacity } = this.settings;
    if (allowance >= capacity) this.become('running', capacity);
    else this.become('ramp', allowance);
  }

  private become(state: PauseState, allowance: number): void {
    clearTimeout(this.timer);
    this.current = state;
    this.allowed = allowance;
    this.settings.onChange();
  }

  /** The worst state among the breakers that this queue pauses with. */
  private worst(): BreakerState {
    const states = this.settings.pausesWith.map((dependency) => this.settings.breakers.stateOf(dependency));
    return states.find((state) => state === 'open') ?? states.find((state) => state === 'half-open') ?? 'closed';
  }
}
